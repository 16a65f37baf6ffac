import { z } from 'zod';
import { refuseDefaultKeys } from './default-keys.js';

const port = z.coerce.number().int().min(0).max(65535);

/** Settings every app has. Names are those of the environment variables. */
export const commonSettings = {
  VANE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  VANE_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be a-z, 0-9, _ and start with a letter')
    .default('vane'),
  VANE_NATS_URL: z.string().min(1, 'must name the NATS server, e.g. nats://127.0.0.1:4222'),
  VANE_NATS_TLS: z.stringbool().default(false),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  HOST: z.string().default('127.0.0.1'),
  PORT: port,
};

export type CommonSettings = z.output<z.ZodObject<typeof commonSettings>>;

export const databaseSettings = {
  VANE_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' }),
  VANE_DATABASE_CONNECTIONS: z.coerce.number().int().min(1).max(200).default(10),
};

export const redisSettings = { VANE_REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'must be a redis:// URL' }) };

export const egressSettings = { VANE_EGRESS_ALLOW: z.string().default('') };

export const adapterSettings = {
  VANE_EXTRA_ADAPTERS: z
    .string()
    .default('')
    .transform((list) => list.split(',').filter((path) => path !== '')),
};

/** A setting that is left out or, as compose files do, left empty. */
const given = z.literal('').transform(() => undefined).or(z.string()).optional();

/** A key ring, in the variable itself or in the file that `<name>_FILE` names: one of them is required. */
export const keyRingSettings = <Name extends `VANE_KEYS_${string}`>(name: Name) =>
  ({ [name]: given, [`${name}_FILE`]: given }) as Record<Name | `${Name}_FILE`, typeof given>;

/**
 * Reads and checks settings once. Throws one error that names every wrong variable, never its value.
 */
export function readSettings<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: Record<string, string | undefined>,
): Readonly<z.output<z.ZodObject<Shape>>> {
  const result = z.object(shape).safeParse(environment);
  const wrong = result.error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? [];
  const lines = [...wrong, ...wrongSources(Object.keys(shape), environment)].map((line) => `  ${line}`);
  if (!result.success || lines.length > 0) throw new Error(`These environment variables are missing or wrong:\n${lines.join('\n')}`);
  refuseInProduction(result.data);
  return Object.freeze(result.data);
}

/** What can be given in a file has to be given in one way. */
function wrongSources(names: string[], environment: Record<string, string | undefined>): string[] {
  return names.filter((name) => names.includes(`${name}_FILE`)).flatMap((name) => {
    const ways = [environment[name], environment[`${name}_FILE`]].filter(Boolean).length;
    if (ways === 1) return [];
    return [ways === 0 ? `${name}: must hold a key ring, or ${name}_FILE the path of a file with it` : `${name}: is given together with ${name}_FILE; leave one of them out`];
  });
}

function refuseInProduction(settings: Record<string, unknown>): void {
  if (settings['VANE_ENV'] !== 'production') return;
  refuseDefaultKeys(settings);
  // Adapters from outside are code that nobody reviewed as part of this installation.
  const extra = settings['VANE_EXTRA_ADAPTERS'];
  if (!Array.isArray(extra) || extra.length === 0) return;
  throw new Error('VANE_EXTRA_ADAPTERS is for development and tests. Leave it out in production.');
}

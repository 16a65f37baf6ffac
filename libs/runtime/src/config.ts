import { z } from 'zod';

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

/**
 * Reads and checks settings once. Throws one error that names every wrong variable, never its value.
 */
export function readSettings<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: Record<string, string | undefined>,
): Readonly<z.output<z.ZodObject<Shape>>> {
  const result = z.object(shape).safeParse(environment);
  if (result.success) {
    refuseInProduction(result.data);
    return Object.freeze(result.data);
  }
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`These environment variables are missing or wrong:\n${lines.join('\n')}`);
}

/** Adapters from outside are code that nobody reviewed as part of this installation. */
function refuseInProduction(settings: Record<string, unknown>): void {
  const extra = settings['VANE_EXTRA_ADAPTERS'];
  if (settings['VANE_ENV'] !== 'production' || !Array.isArray(extra) || extra.length === 0) return;
  throw new Error('VANE_EXTRA_ADAPTERS is for development and tests. Leave it out in production.');
}

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Problem } from '../../launch/index.mjs';
import { chaosKill } from './kill.js';

const usage = `Usage: ./vane chaos kill [--short] [--seed NUMBER]

  kill       kill -9 every app while events arrive, and count at the receiving end what became of them
  --short    20 seconds and one kill per app instead of 60 and two
  --seed     repeat the moments of an earlier run`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args, allowPositionals: true, options: { short: { type: 'boolean', default: false }, seed: { type: 'string' } },
  });
  const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
  if (positionals.length !== 1 || positionals[0] !== 'kill' || !Number.isInteger(seed)) throw new Problem(usage, 2);
  const result = await chaosKill({ short: values.short, seed, say });
  say(JSON.stringify(result));
  return result.ok ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const misuse = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`${error instanceof Problem || misuse ? error.message : error.stack}\n`);
  process.exitCode = error instanceof Problem ? error.exitCode : misuse ? 2 : 1;
}

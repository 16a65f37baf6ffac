import { parseArgs } from 'node:util';
import { Problem } from '../../launch/index.mjs';
import { benchIngress } from './ingress.js';

const usage = `Usage: ./vane bench ingress [--short] [--floor RATIO] [--profile DIRECTORY]

  ingress    signed posts made durable per second by one webhook-ingress, against a bare server that does the least
  --short    three seconds a round instead of eight
  --floor    fail below this ratio (0.5 unless told)
  --profile  write a CPU profile of ingress there`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { short: { type: 'boolean', default: false }, floor: { type: 'string', default: '0.5' }, profile: { type: 'string' } },
  });
  const floor = Number(values.floor);
  if (positionals.length !== 1 || positionals[0] !== 'ingress' || !(floor >= 0)) throw new Problem(usage, 2);
  const result = await benchIngress({ short: values.short, say, ...(values.profile ? { profileDirectory: values.profile } : {}) });
  const ok = result.ratio >= floor;
  if (!ok) say(`Vane reaches ${result.ratio} of the ceiling, less than the floor of ${floor}.`);
  say(JSON.stringify(result));
  return ok ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof Problem || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (!expected) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = error instanceof Problem ? error.exitCode : 2;
}

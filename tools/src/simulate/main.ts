import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Problem } from '../../launch/index.mjs';
import { runProgram } from '../program.js';
import { simulateMonth } from './month.js';

const usage = `Usage: ./vane simulate month [--short] [--seed NUMBER]

  month      a month in simulated time: 1,000 channels, lost and doubled messages, outages, kill -9 at random awaits;
             the service's stand-in counts what became of every change
  --short    five days and 60 channels
  --seed     repeat the plan of an earlier month`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args, allowPositionals: true, options: { short: { type: 'boolean', default: false }, seed: { type: 'string' } },
  });
  const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
  if (positionals.join(' ') !== 'month' || !Number.isInteger(seed)) throw new Problem(usage, 2);
  const result = await simulateMonth({ short: values.short, seed, say });
  say('');
  for (const [name, value] of Object.entries(result)) say(`${name.padEnd(12)} ${String(value).padStart(8)}`);
  say(JSON.stringify(result));
  return result.ok ? 0 : 1;
}

await runProgram(main);

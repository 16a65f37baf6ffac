import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Problem } from '../../launch/index.mjs';
import { runProgram } from '../program.js';
import { chaosKill } from './kill.js';
import { chaosRefresh } from './refresh.js';

const usage = `Usage: ./vane chaos kill [--short] [--seed NUMBER]
       ./vane chaos refresh [--short]

  kill       kill -9 every app while events arrive, and count at the receiving end what became of them
  refresh    let ten processes refresh one connection, kill -9 the one that does, and count at the provider
  --short    a minute or less: 20 seconds and one kill per app; 20 rounds and two kills per step
  --seed     repeat the moments of an earlier kill`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args, allowPositionals: true, options: { short: { type: 'boolean', default: false }, seed: { type: 'string' } },
  });
  const result = await run(positionals, values.short, values.seed);
  say(JSON.stringify(result));
  return result.ok ? 0 : 1;
}

function run([name, ...more]: string[], short: boolean, given: string | undefined): Promise<{ ok: boolean }> {
  const seed = given === undefined ? randomInt(2 ** 32) : Number(given);
  if (more.length === 0 && name === 'kill' && Number.isInteger(seed)) return chaosKill({ short, seed, say });
  if (more.length === 0 && name === 'refresh' && given === undefined) return chaosRefresh({ short, say });
  throw new Problem(usage, 2);
}

await runProgram(main);

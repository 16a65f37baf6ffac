import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Problem } from '../../launch/index.mjs';
import { runProgram } from '../program.js';
import { chaosKill, chaosPipeline } from './kill.js';
import { chaosRefresh } from './refresh.js';

const usage = `Usage: ./vane chaos kill [--short] [--seed NUMBER]
       ./vane chaos pipeline [--short | --minutes COUNT] [--seed NUMBER]
       ./vane chaos refresh [--short]

  kill       kill -9 every app while events arrive, and count at the receiving end what became of them
  pipeline   the same with Postgres, Redis and NATS among what is killed, and Redis flushed; --minutes says how long (3)
  refresh    let ten processes refresh one connection, kill -9 the one that does, and count at the provider
  --short    a minute or less: 20 seconds and one kill per app; 36 seconds and ten kills; 20 rounds and two kills per step
  --seed     repeat the moments of an earlier kill`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args, allowPositionals: true, options: { short: { type: 'boolean', default: false }, seed: { type: 'string' }, minutes: { type: 'string' } },
  });
  const result = await run(positionals, values);
  say(JSON.stringify(result));
  return result.ok ? 0 : 1;
}

type Given = { short: boolean; seed?: string; minutes?: string };

function run([name, ...more]: string[], { short, seed: given, minutes: long }: Given): Promise<{ ok: boolean }> {
  const seed = given === undefined ? randomInt(2 ** 32) : Number(given);
  const minutes = long === undefined ? (short ? 0.6 : 3) : Number(long);
  const meant = more.length === 0 && Number.isInteger(seed) && minutes > 0 && !(short && long);
  if (meant && name === 'kill' && long === undefined) return chaosKill({ short, seed, say });
  if (meant && name === 'pipeline') return chaosPipeline({ minutes, seed, say });
  if (meant && name === 'refresh' && given === undefined && long === undefined) return chaosRefresh({ short, say });
  throw new Problem(usage, 2);
}

await runProgram(main);

import { parseArgs } from 'node:util';
import { Problem } from '../../launch/index.mjs';
import { runProgram } from '../program.js';
import { benchIngress } from './ingress.js';
import { benchOverload } from './overload.js';
import { benchPipeline } from './pipeline.js';
import { benchRecovery } from './recovery.js';
import { benchScale } from './scale.js';
import { benchSync, proveExactlyOnce } from './sync.js';

const usage = `Usage: ./vane bench ingress [--short] [--floor RATIO] [--profile DIRECTORY]
       ./vane bench pipeline [--short] [--floor RATE]
       ./vane bench overload [--short]
       ./vane bench recovery [--short]
       ./vane bench scale [--short] [--floor SHARE]
       ./vane bench sync [--short] [--exactly-once] [--trigger-services COUNT]

  ingress    signed posts made durable per second by one webhook-ingress, against a bare server that does the least
  --short    three seconds a round instead of eight
  --floor    fail below this ratio (0.6 unless told)
  --profile  write a CPU profile of ingress there

  pipeline   events a second from a post to the finished run it starts, and how soon a run starts
  --short    the rates that are required, a few seconds each, instead of the highest
  --floor    fail below this rate, and for nothing else

  overload   twice as many events as can be worked off, for a minute, and whether all that was accepted ran
  --short    ten seconds

  recovery   how long after a kill -9 events run as before, and how fast a backlog is worked off
  --short    fewer events

  scale      how many runs a second 1, 2 and 4 run-workers of eight slots finish, with a target that takes 50 ms
  --short    six seconds each instead of twenty
  --floor    fail below this share of linear (0.9 unless told)

  sync       what finding 1,000 due subscriptions costs among 100,000 and among 2,000, and how many are renewed per second
  --short    among 10,000 and 2,000, and fewer renewals
  --exactly-once      instead: 5,000 due at once (with --short 300), four sync-workers, each is to be renewed exactly once
  --trigger-services  how many trigger-services do the renewing (1 unless told)`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function ingress(args: string[]): Promise<number> {
  const options = { short: { type: 'boolean', default: false }, floor: { type: 'string', default: '0.6' }, profile: { type: 'string' } } as const;
  const { values } = parseArgs({ args, options });
  const floor = Number(values.floor);
  if (!(floor >= 0)) throw new Problem(usage, 2);
  const result = await benchIngress({ short: values.short, say, ...(values.profile ? { profileDirectory: values.profile } : {}) });
  const ok = result.ratio >= floor;
  if (!ok) say(`Vane reaches ${result.ratio} of the ceiling, less than the floor of ${floor}.`);
  say(JSON.stringify(result));
  return ok ? 0 : 1;
}

async function pipeline(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { short: { type: 'boolean', default: false }, floor: { type: 'string' } } });
  const floor = values.floor === undefined ? undefined : Number(values.floor);
  if (floor !== undefined && !(floor > 0)) throw new Problem(usage, 2);
  const { ok, ...result } = await benchPipeline({ short: values.short, say, ...(floor === undefined ? {} : { floor }) });
  say(JSON.stringify(result));
  return ok ? 0 : 1;
}

/** A program that knows long and short, and nothing else. */
const simple = (measure: (options: { short: boolean; say: typeof say }) => Promise<{ ok: boolean }>) => async (args: string[]): Promise<number> => {
  const { values } = parseArgs({ args, options: { short: { type: 'boolean', default: false } } });
  const { ok, ...result } = await measure({ short: values.short, say });
  say(JSON.stringify(result));
  return ok ? 0 : 1;
};

async function scale(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { short: { type: 'boolean', default: false }, floor: { type: 'string', default: '0.9' } } });
  const floor = Number(values.floor);
  if (!(floor >= 0)) throw new Problem(usage, 2);
  const { ok, ...result } = await benchScale({ short: values.short, floor, say });
  say(JSON.stringify(result));
  return ok ? 0 : 1;
}

async function sync(args: string[]): Promise<number> {
  const options = {
    'short': { type: 'boolean', default: false }, 'exactly-once': { type: 'boolean', default: false }, 'trigger-services': { type: 'string', default: '1' },
  } as const;
  const { values } = parseArgs({ args, options });
  const triggerServices = Number(values['trigger-services']);
  if (!Number.isInteger(triggerServices) || triggerServices < 1) throw new Problem(usage, 2);
  const measure = values['exactly-once'] ? proveExactlyOnce : benchSync;
  const { ok, ...result } = await measure({ short: values.short, triggerServices, say });
  say(JSON.stringify(result));
  return ok ? 0 : 1;
}

const benches: Record<string, (args: string[]) => Promise<number>> = { ingress, overload: simple(benchOverload), pipeline, recovery: simple(benchRecovery), scale, sync };

await runProgram(([name = '', ...args]) => {
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (!bench) throw new Problem(usage, 2);
  return bench(args);
});

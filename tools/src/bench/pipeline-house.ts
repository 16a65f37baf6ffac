import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRunnable, createToken, createTrigger, createWorkspace } from '@vane/contracts';
import { ApiClient, eventually } from '@vane/testing';
import pg from 'pg';
import { Problem, readState, startInstance, stopInstance } from '../../launch/index.mjs';
import type { Ground } from '../chaos/own-ground.js';
import { builtFile } from './child-process.js';
import { cpuOf } from './cpu.js';
import { round } from './figures.js';
import type { ReceiverQuestion, ReceiverReport } from './no-op-receiver.js';
import type { OpenLoad, OpenLoadResult } from './open-load.js';

/** `lag`: events accepted and not finished at the moment when the last one was sent. CPU in milliseconds per event. */
export type Measured = { rate: number; sent: number; lag: number; sustained: boolean; p50Ms: number; p99Ms: number; cpu: Record<string, number> };

type Path = { url: string; secret: string; trigger: string };
/** How many runs of this load have finished, as counted outside the apps where that is possible. */
type Count = () => Promise<number>;

/** What may still be under way when a load ends, in seconds of it; more means that it piles up. */
const MAX_LAG_SECONDS = 0.5;
const SETTLE_MS = 120_000;
const SCRIPT = 'export async function main(event: { type: string }) { return { type: event.type }; }';

/** A Vane of its own with servers of its own, a sender before it and a receiver behind it. */
export class PipelineHouse {
  private constructor(
    private readonly dir: string,
    private readonly paths: { http: Path; script: Path },
    private readonly receiver: ChildProcess,
    private readonly pool: pg.Pool,
    private readonly say: (line: string) => void,
  ) {}

  static async open({ dir, closers }: Ground, say: (line: string) => void): Promise<PipelineHouse> {
    closers.push(() => stopInstance({ dir, removeData: true }));
    const receiver = fork(builtFile('tools/dist/bench/no-op-receiver.js'));
    closers.push(async () => void receiver.kill());
    const [{ port }] = (await once(receiver, 'message')) as [{ port: number }];
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VANE_')));
    const instance = await startInstance({
      say,
      env: { ...inherited, VANE_STATE_DIR: dir, VANE_SERVERS: 'own', VANE_PORTS: 'free', LOG_LEVEL: 'warn', VANE_EGRESS_ALLOW: `127.0.0.1:${port}` },
    });
    const root = new ApiClient(instance.api, instance.adminToken);
    const { id: workspace } = await root.call(createWorkspace, { name: 'Bench' });
    const { token } = await root.call(createToken, { workspace, name: 'bench', role: 'admin' });
    const api = new ApiClient(instance.api, token);
    const path = async (spec: Parameters<typeof api.call<typeof createRunnable>>[1]['spec']): Promise<Path> => {
      const runnable = await api.call(createRunnable, { workspace, name: spec.kind, spec });
      const config = { scheme: 'standard-webhooks' };
      const trigger = await api.call(createTrigger, { workspace, name: spec.kind, service: 'generic-webhook', type: 'webhook', config, runnableId: runnable.id });
      if (!trigger.secret) throw new Problem('The trigger was created without a secret to sign with.');
      return { url: trigger.callbackUrl, secret: trigger.secret, trigger: trigger.id };
    };
    const paths = { http: await path({ kind: 'http', url: `http://127.0.0.1:${port}/` }), script: await path({ kind: 'script', language: 'typescript', code: SCRIPT }) };
    const pool = new pg.Pool({ connectionString: instance.urls.database, max: 1 });
    closers.push(() => pool.end());
    return new PipelineHouse(dir, paths, receiver, pool, say);
  }

  /** Events that call the receiver, which counts them. */
  async http(rate: number, seconds: number): Promise<Measured> {
    await this.ask('reset');
    const measured = await this.measure(this.paths.http, rate, seconds, async () => (await this.ask('count')).runs);
    const { calls, runs, p50Ms, p99Ms } = await this.ask('report');
    if (calls !== runs) this.say(`${calls - runs} calls repeated one that was made before.`);
    const figures = { ...measured, p50Ms: round(p50Ms, 1), p99Ms: round(p99Ms, 1) };
    this.tell('http', figures);
    return figures;
  }

  /** Events that run a script; a script calls nobody, so what counts is the runs that have ended in the database. */
  async script(rate: number, seconds: number): Promise<Measured> {
    const before = await this.ended();
    const measured = await this.measure(this.paths.script, rate, seconds, async () => (await this.ended()).all - before.all);
    const { failed } = await this.ended();
    if (failed > 0) throw new Problem(`${failed} runs of the script did not succeed, so the rate means nothing.`);
    this.tell('script', measured);
    return measured;
  }

  private async measure(path: Path, rate: number, seconds: number, finished: Count): Promise<Measured> {
    const pids = this.pids();
    const before = cpuOf(pids);
    const load = await runOpenLoad({ ...path, perSecond: rate, seconds });
    const lag = load.accepted - (await finished());
    if (load.accepted < load.sent) {
      throw new Problem(`At ${rate} a second ${load.refused} of ${load.sent} events were refused and ${load.broken} had no answer, so the rate means nothing.`);
    }
    await eventually(`The end of ${load.accepted} runs`, async () => (await finished()) >= load.accepted, { timeoutMs: SETTLE_MS, everyMs: 100 });
    const after = cpuOf(pids);
    const cpu = Object.fromEntries(Object.keys(pids).map((name) => [name, round(((after[name] ?? 0) - (before[name] ?? 0)) / load.accepted, 3)]));
    if (load.late > load.sent / 20) this.say(`The sender was late with ${load.late} of ${load.sent} events: the machine has nothing left.`);
    return { rate, sent: load.sent, lag, sustained: lag <= rate * MAX_LAG_SECONDS, p50Ms: 0, p99Ms: 0, cpu };
  }

  /** Processes of the apps and the servers; an app that was scaled out counts as one more each. */
  private pids(): Record<string, number> {
    const { apps = [], servers = {} } = readState(this.dir);
    const ofApps = apps.flatMap(({ name, instance, pid }) => (pid === null ? [] : [[instance === 1 ? name : `${name} ${instance}`, pid] as const]));
    return Object.fromEntries([...ofApps, ...Object.entries(servers).map(([name, { pid }]) => [name, pid] as const)]);
  }

  private tell(kind: string, { rate, sent, lag, sustained, p50Ms, p99Ms }: Measured): void {
    const times = kind === 'http' ? `  post to run p50 ${p50Ms} ms  p99 ${p99Ms} ms` : '';
    this.say(`${kind.padEnd(6)} ${String(rate).padStart(5)}/s  ${sent} events  ${String(lag).padStart(5)} not finished at the end${times}${sustained ? '' : '  not sustained'}`);
  }

  private async ask(question: ReceiverQuestion): Promise<ReceiverReport> {
    this.receiver.send(question);
    const [report] = (await once(this.receiver, 'message')) as [ReceiverReport];
    return report;
  }

  private async ended(): Promise<{ all: number; failed: number }> {
    const { rows } = await this.pool.query<{ all: number; failed: number }>(
      `SELECT count(*)::int AS all, (count(*) FILTER (WHERE status <> 'succeeded'))::int AS failed
         FROM run WHERE trigger_id = $1 AND ended_at IS NOT NULL`, [this.paths.script.trigger],
    );
    return rows[0] ?? { all: 0, failed: 0 };
  }
}

function runOpenLoad(load: OpenLoad): Promise<OpenLoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(builtFile('tools/dist/bench/open-load.js'));
    child.once('message', (result) => resolve(result as OpenLoadResult));
    child.once('exit', (code) => reject(new Problem(`The sender ended with code ${code} and without a result.`)));
    child.send(load);
  });
}

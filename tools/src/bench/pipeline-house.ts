import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRunnable, createToken, createTrigger, createWorkspace } from '@vane/contracts';
import { ApiClient, eventually } from '@vane/testing';
import pg from 'pg';
import { killApp, Problem, readState, startInstance, stopInstance, type AppName } from '../../launch/index.mjs';
import type { Ground } from '../chaos/own-ground.js';
import { builtFile } from './child-process.js';
import { cpuOf } from './cpu.js';
import { round } from './figures.js';
import { residentMb } from './memory.js';
import type { MissingQuestion, ReceiverQuestion, ReceiverReport, RecoveryQuestion } from './no-op-receiver.js';
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

  /** With `answerAfterMs` the target of the HTTP runs takes so long for each; `env` is for the apps. */
  static async open(
    { dir, closers }: Ground, say: (line: string) => void, { answerAfterMs = 0, env = {} }: { answerAfterMs?: number; env?: Record<string, string> } = {},
  ): Promise<PipelineHouse> {
    closers.push(() => stopInstance({ dir, removeData: true }));
    const receiver = fork(builtFile('tools/dist/bench/no-op-receiver.js'), [String(answerAfterMs)]);
    closers.push(async () => void receiver.kill());
    const [{ port }] = (await once(receiver, 'message')) as [{ port: number }];
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VANE_')));
    const instance = await startInstance({
      say,
      env: { ...inherited, VANE_STATE_DIR: dir, VANE_SERVERS: 'own', VANE_PORTS: 'free', LOG_LEVEL: 'warn', VANE_EGRESS_ALLOW: `127.0.0.1:${port}`, ...env },
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

  /**
   * Lets events wait while all run-workers are stopped, then lets these go on: how many calls a second the receiver sees while
   * there is always an event waiting, and what that costs, in milliseconds of a processor for each.
   */
  async workedOff(perSecond: number, seconds: number): Promise<{ perSecond: number; cpu: Record<string, number> }> {
    await this.ask('reset');
    const pids = this.pids();
    const workers = Object.entries(pids).flatMap(([name, pid]) => (name.startsWith('run-worker') ? [pid] : []));
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    let load: OpenLoadResult;
    try {
      load = await runOpenLoad({ ...this.paths.http, perSecond, seconds, ids: true });
      await eventually(`${load.accepted} runs to be there`, async () => (await this.waiting()) >= load.accepted, { timeoutMs: SETTLE_MS, everyMs: 100 });
    } finally {
      for (const pid of workers) process.kill(pid, 'SIGCONT');
    }
    const before = cpuOf(pids);
    const missing = await this.settled(load);
    if (missing.length > 0) throw new Problem(`${missing.length} accepted events never ran.`);
    const after = cpuOf(pids);
    const cpu = Object.fromEntries(Object.keys(pids).map((name) => [name, round(((after[name] ?? 0) - (before[name] ?? 0)) / load.accepted, 3)]));
    return { perSecond: (await this.ask('report')).perSecond, cpu };
  }

  private async waiting(): Promise<number> {
    const { rows } = await this.pool.query<{ waiting: number }>(`SELECT count(*)::int AS waiting FROM run WHERE trigger_id = $1 AND ended_at IS NULL`, [this.paths.http.trigger]);
    return rows[0]?.waiting ?? 0;
  }

  /**
   * More events than can be worked off, some of which are refused; resolves when what was accepted has run. `missing` are
   * accepted events for which the target was never called, `lag` what was left at the end of the load, `settledMs` what that
   * took.
   */
  async flooded(perSecond: number, seconds: number): Promise<OpenLoadResult & { missing: string[]; lag: number; settledMs: number }> {
    await this.ask('reset');
    const load = await runOpenLoad({ ...this.paths.http, perSecond, seconds, connections: 1_024, ids: true });
    const endedAt = performance.now();
    const lag = load.accepted - (await this.ask('count')).runs;
    const missing = await this.settled(load);
    return { ...load, missing, lag, settledMs: performance.now() - endedAt };
  }

  /** Kills an app while events arrive: milliseconds from then until events run as if nothing had been. */
  async killed(app: AppName, { perSecond, seconds }: { perSecond: number; seconds: number }): Promise<number> {
    await this.ask('reset');
    const loading = runOpenLoad({ ...this.paths.http, perSecond, seconds, ids: true });
    await eventually(`Events before ${app} is killed`, async () => (await this.ask('count')).runs > perSecond * 2, { timeoutMs: 30_000, everyMs: 20 });
    const at = performance.timeOrigin + performance.now();
    killApp(this.dir, app);
    const missing = await this.settled(await loading);
    if (missing.length > 0) throw new Problem(`${missing.length} accepted events never ran after ${app} was killed.`);
    return (await this.ask<number>({ recoveredSince: at })) ?? Infinity;
  }

  /**
   * Lets events wait while trigger-service is stopped, then lets it go on: how many wait, how many a second are worked off
   * then, and by how many megabytes the apps, NATS and Redis grow with a thousand that wait.
   */
  async backlog(perSecond: number, seconds: number): Promise<{ waiting: number; perSecond: number; mbPer1000: number }> {
    await this.ask('reset');
    const { postgres: _shared, ...pids } = this.pids();
    const before = residentMb(Object.values(pids));
    process.kill(pids['trigger-service']!, 'SIGSTOP');
    let load: OpenLoadResult;
    let after: number;
    try {
      load = await runOpenLoad({ ...this.paths.http, perSecond, seconds, ids: true });
      after = residentMb(Object.values(pids));
    } finally {
      process.kill(pids['trigger-service']!, 'SIGCONT');
    }
    const began = performance.now();
    const missing = await this.settled(load);
    if (missing.length > 0) throw new Problem(`${missing.length} accepted events never ran after an outage.`);
    return { waiting: load.accepted, perSecond: (load.accepted * 1000) / (performance.now() - began), mbPer1000: ((after - before) * 1000) / load.accepted };
  }

  /** Which app runs as which process: one that has died has another one. */
  apps(): Record<string, number> {
    return Object.fromEntries(readState(this.dir).apps?.map(({ name, instance, pid }) => [`${name} ${instance}`, pid ?? 0]) ?? []);
  }

  /** Waits until every accepted event has run; what is missing when nothing has come for a long while. */
  private async settled({ ids }: OpenLoadResult): Promise<string[]> {
    let missing = ids;
    let heardAt = performance.now();
    while (missing.length > 0 && performance.now() < heardAt + SETTLE_MS) {
      const before = missing.length;
      missing = await this.ask<string[]>({ missing });
      if (missing.length < before) heardAt = performance.now();
      if (missing.length > 0) await new Promise((next) => setTimeout(next, 50));
    }
    return missing;
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

  private async ask<Answer = ReceiverReport>(question: ReceiverQuestion | MissingQuestion | RecoveryQuestion): Promise<Answer> {
    this.receiver.send(question);
    const [answer] = (await once(this.receiver, 'message')) as [Answer];
    return answer;
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

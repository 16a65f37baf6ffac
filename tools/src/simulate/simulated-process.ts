import { spawn, type ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { Problem } from '../../launch/index.mjs';
import type { FromApp, SimulatedApp, ToApp } from './app-messages.js';

const START_DEADLINE_MS = 60_000;

/** `program` is the file of app-process, bundled. */
export type ProcessOptions = { program: string; app: SimulatedApp; environment: Record<string, string>; logFile: string };

/** One process of an app in simulated time, which is started again when it was killed. */
export class SimulatedProcess {
  private child: ChildProcess | undefined;
  private ready: Promise<void> | undefined;
  /** It answers; until then its clock is not moved, but set when it does. */
  private answers = false;
  private now = new Date(0);
  private gone: Promise<void> = Promise.resolve();
  private next = 0;
  private readonly open = new Map<number, () => void>();
  private died: (() => void) | undefined;
  kills = 0;

  constructor(private readonly options: ProcessOptions) {}

  get app(): SimulatedApp {
    return this.options.app;
  }

  get alive(): boolean {
    return this.child !== undefined;
  }

  /** Starts it unless it runs, or is being started; resolves when it answers. */
  start(now: Date): Promise<void> {
    this.now = now;
    this.ready ??= this.spawn(now).then(() => {
      this.answers = true;
      return this.setClock(this.now);
    });
    return this.ready;
  }

  /** Moves its clock; what is dead needs no clock. */
  setClock(now: Date): Promise<void> {
    this.now = now;
    return this.answers ? this.send({ kind: 'clock', now: now.toISOString() }) : Promise.resolve();
  }

  /** Has it kill itself at a later await of its own. */
  dieAfter(awaits: number): Promise<void> {
    return this.send({ kind: 'die', afterAwaits: awaits });
  }

  /** Told once, when it has died. */
  onDeath(told: () => void): void {
    this.died = told;
  }

  /** `kill -9` now; resolves when it is gone. */
  async kill(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.gone;
  }

  private async spawn(now: Date): Promise<void> {
    const { program, app, environment, logFile } = this.options;
    const log = openSync(logFile, 'a');
    const args = ['--enable-source-maps', program, app, now.toISOString()];
    const child = spawn(process.execPath, args, { env: environment, stdio: ['ignore', log, log, 'ipc'] });
    this.child = child;
    this.gone = new Promise((resolve) => {
      child.once('exit', (_code, signal) => {
        if (signal === 'SIGKILL') this.kills += 1;
        this.child = undefined;
        this.answers = false;
        this.ready = undefined;
        for (const answered of this.open.values()) answered();
        this.open.clear();
        this.died?.();
        this.died = undefined;
        resolve();
      });
    });
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => child.kill('SIGKILL'), START_DEADLINE_MS);
      child.on('message', (message: FromApp) => {
        if (message.kind === 'done') {
          this.open.get(message.id)?.();
          this.open.delete(message.id);
          return;
        }
        clearTimeout(late);
        resolve();
      });
      child.once('exit', () => {
        clearTimeout(late);
        reject(new Problem(`${app} ended before it was ready: see ${logFile}.`));
      });
    });
  }

  private send(message: { kind: 'clock'; now: string } | { kind: 'die'; afterAwaits: number }): Promise<void> {
    const { child } = this;
    if (!child?.connected) return Promise.resolve();
    this.next += 1;
    const id = this.next;
    return new Promise((resolve) => {
      this.open.set(id, resolve);
      // A process that dies meanwhile answers with its end.
      child.send({ ...message, id } satisfies ToApp, () => undefined);
    });
  }
}

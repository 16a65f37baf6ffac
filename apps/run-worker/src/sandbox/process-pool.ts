import { childProgram } from './child-program.js';
import { SandboxProcess } from './sandbox-process.js';

/** A child is replaced after this many runs, so that no slow leak lives long. */
const runsPerProcess = 200;

type Waiter = { resolve: (child: SandboxProcess) => void; reject: (error: Error) => void };

/** Keeps up to `size` children warm and lends each to one run at a time; waiting runs are served in order. */
export class ProcessPool {
  private readonly live = new Set<SandboxProcess>();
  private readonly idle: SandboxProcess[] = [];
  private readonly waiting: Waiter[] = [];
  private program: Promise<Buffer> | undefined;
  private starting = 0;
  private closed = false;

  constructor(private readonly size: number) {
    this.fill();
  }

  /** Process ids of the children that are alive. */
  pids(): number[] {
    return [...this.live].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Lends a ready child. Rejects when none can be started, when `signal` aborts, or when the pool closes. */
  async acquire(signal?: AbortSignal): Promise<SandboxProcess> {
    signal?.throwIfAborted();
    if (this.closed) throw new Error('The sandbox is closed.');
    const child = this.idle.pop();
    if (child) return child;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.waiting.indexOf(waiter);
        if (at >= 0) this.waiting.splice(at, 1);
        waiter.reject(signal?.reason as Error);
      };
      const settle = <T>(how: (value: T) => void) => (value: T) => {
        signal?.removeEventListener('abort', onAbort);
        how(value);
      };
      const waiter: Waiter = { resolve: settle(resolve), reject: settle(reject) };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(waiter);
      this.fill();
    });
  }

  /** Takes a child back. One that must not be used again is killed and replaced. */
  release(child: SandboxProcess, reusable: boolean): void {
    child.onMessage = () => undefined;
    if (!reusable || child.runs >= runsPerProcess || this.closed) child.kill('The sandbox process was replaced.');
    else if (this.live.has(child)) this.offer(child);
  }

  /** Kills every child and waits until they are gone. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { reject } of this.waiting.splice(0)) reject(new Error('The sandbox is closed.'));
    const children = [...this.live];
    for (const child of children) child.kill('The sandbox is closed.');
    await Promise.all(children.map(({ ended }) => ended));
  }

  private fill(): void {
    while (!this.closed && this.live.size + this.starting < this.size) {
      this.starting += 1;
      void this.start();
    }
  }

  private async start(): Promise<void> {
    try {
      const program = await (this.program ??= childProgram());
      this.starting -= 1;
      if (this.closed) return;
      const child = new SandboxProcess(program);
      this.live.add(child);
      void child.ended.then(() => this.forget(child));
      await child.ready;
      this.offer(child);
      // From here on a dead child is replaced at once; one that never got ready is not, lest it be tried for ever.
      void child.ended.then(() => this.fill());
    } catch (error) {
      if (!(await this.program?.catch(() => undefined))) {
        this.program = undefined;
        this.starting -= 1;
      }
      this.waiting.shift()?.reject(error as Error);
      if (this.waiting.length > 0) this.fill();
    }
  }

  private offer(child: SandboxProcess): void {
    const waiter = this.waiting.shift();
    if (waiter) waiter.resolve(child);
    else this.idle.push(child);
  }

  private forget(child: SandboxProcess): void {
    this.live.delete(child);
    const at = this.idle.indexOf(child);
    if (at >= 0) this.idle.splice(at, 1);
  }
}

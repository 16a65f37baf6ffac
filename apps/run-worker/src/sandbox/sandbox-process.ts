import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { encodeFrame, frameReader, type FromChild, maxFrameBytes, parseFromChild, type ToChild } from './protocol.js';

const startDeadlineMs = 20_000;
const stderrKept = 4096;

/** Takes away the file system, child processes, workers and addons; Node 20 knows it by its first name only. */
const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';

const flags = [
  permission,
  '--no-warnings',
  '--max-old-space-size=96',
  // Below the usual 8 MiB of a main thread, above what the interpreter's own stack limit lets it use.
  '--stack-size=3900',
  '--input-type=module',
  '-',
];

/** Why a child is gone; `outOfMemory` when its own JavaScript heap was full. */
export type ProcessEnd = { reason: string; outOfMemory: boolean };

/**
 * One child process: no environment, no files, no network of its own, one socket to the parent. It gets its
 * program over standard input. Whatever it sends is checked; anything strange kills it.
 */
export class SandboxProcess {
  /** Settles once the child can take a run; rejects when it never will. */
  readonly ready: Promise<void>;
  /** Settles when the process is gone. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  onMessage: (message: Exclude<FromChild, { type: 'ready' }>) => void = () => undefined;
  runs = 0;
  private readonly child: ChildProcess;
  private readonly channel: Duplex;
  private stderr = '';
  private killedBecause: string | undefined;
  private becomeReady: () => void = () => undefined;

  constructor(program: Buffer) {
    this.child = spawn(process.execPath, flags, { env: {}, cwd: '/', stdio: ['pipe', 'ignore', 'pipe', 'pipe'], windowsHide: true });
    this.channel = this.child.stdio[3] as Duplex;
    this.ended = this.watchEnd();
    this.ready = this.watchStart();
    this.ready.catch(() => undefined);
    this.listen();
    // A child that dies early closes its pipes; `ended` tells.
    this.child.stdin?.on('error', () => undefined).end(program);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  send(message: ToChild): void {
    this.channel.write(encodeFrame(message));
  }

  /** Ends the child at once; `ended` settles with `reason`. */
  kill(reason: string): void {
    this.killedBecause ??= reason;
    this.child.kill('SIGKILL');
  }

  private listen(): void {
    const read = frameReader(maxFrameBytes, (text) => this.receive(text));
    this.channel.on('error', () => undefined);
    this.channel.on('data', (chunk: Buffer) => {
      if (this.killedBecause) return;
      try {
        read(chunk);
      } catch (error) {
        this.kill((error as Error).message);
      }
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString('utf8')).slice(-stderrKept);
    });
  }

  private receive(text: string): void {
    const message = parseFromChild(text);
    if (!message) return this.kill('The sandbox process sent something that is not part of its protocol.');
    if (message.type === 'ready') this.becomeReady();
    else this.onMessage(message);
  }

  private watchEnd(): Promise<ProcessEnd> {
    return new Promise((resolve) => {
      this.child.once('error', (error) => resolve({ reason: `The sandbox process could not be started: ${error.message}.`, outOfMemory: false }));
      this.child.once('close', (code, signal) => {
        const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
        const outOfMemory = /heap out of memory|Reached heap limit/u.test(this.stderr);
        resolve({ reason: this.killedBecause ?? `The sandbox process ${how}.`, outOfMemory });
      });
    });
  }

  private async watchStart(): Promise<void> {
    const started = new Promise<void>((resolve) => { this.becomeReady = resolve; });
    const failed = this.ended.then(({ reason }) => { throw new Error(`${reason} ${this.stderr.trim().split('\n').slice(-3).join(' ')}`.trim()); });
    const deadline = setTimeout(() => this.kill(`The sandbox process was not ready within ${startDeadlineMs} ms.`), startDeadlineMs);
    await Promise.race([started, failed]).finally(() => clearTimeout(deadline));
  }
}

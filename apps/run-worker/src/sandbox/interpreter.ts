import { newQuickJSWASMModuleFromVariant, newVariant, type QuickJSContext, type QuickJSHandle, RELEASE_SYNC } from 'quickjs-emscripten';
import { guestName, scriptName } from './positions.js';

declare const GUEST_PROGRAM: string;
declare const INTERPRETER_WASM: string;

type WasmMemory = { readonly buffer: ArrayBuffer };
// Node has WebAssembly, its type declarations do not.
const { Memory, Module } = (globalThis as unknown as {
  WebAssembly: { Memory: new (size: { initial: number; maximum: number }) => WasmMemory; Module: new (bytes: Uint8Array) => object };
}).WebAssembly;

const wasm = new Module(Buffer.from(INTERPRETER_WASM, 'base64'));
const pagesPerMb = 16;
const leastPages = 16 * pagesPerMb;

/**
 * QuickJS counts its stack in WebAssembly memory, while V8's own stack fills two to sixteen times as fast; this
 * much is reached before V8's limit by ordinary calls (about 3,000 deep).
 */
const stackBytes = 512 * 1024;

type Text = (operation: string, json: string) => string | undefined;
type Options = { memoryMb: number; logText: number; resultText: number; longestCall: number; interrupted: () => boolean; call: Text };

/** How a step inside the interpreter ended; `failed` is a dump of what was thrown out of it. */
export type Step = { failed?: { name: string; message: string; stack: string } };

/**
 * One script's world: a WebAssembly instance of its own whose memory cannot grow over the limit. QuickJS's own
 * memory limit does not count what it has handed out when compiled with Emscripten (malloc_usable_size is 0
 * there), so the ceiling is the WebAssembly memory's.
 */
export class Interpreter {
  private guest!: QuickJSHandle;

  private constructor(
    private readonly vm: QuickJSContext,
    private readonly memory: WasmMemory,
    private readonly maximum: number,
  ) {}

  static async create(options: Options): Promise<Interpreter> {
    const maximum = Math.max(leastPages, Math.floor(options.memoryMb * pagesPerMb));
    const memory = new Memory({ initial: leastPages, maximum });
    const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(RELEASE_SYNC, { wasmModule: wasm as never, wasmMemory: memory as never }));
    const runtime = quickjs.newRuntime();
    runtime.setMemoryLimit(maximum * 65_536);
    runtime.setMaxStackSize(stackBytes);
    runtime.setInterruptHandler(options.interrupted);
    const interpreter = new Interpreter(runtime.newContext(), memory, maximum * 65_536);
    interpreter.boot(options);
    return interpreter;
  }

  /** Whether the memory has grown to its ceiling, give or take what the last growth step could not get. */
  get exhausted(): boolean {
    return this.memory.buffer.byteLength > this.maximum * 0.8 && this.memory.buffer.byteLength > leastPages * 65_536;
  }

  private boot(options: Options): void {
    const { vm } = this;
    const host = vm.newFunction('host', (operation, json) => {
      const answer = options.call(this.read(operation, 32), this.read(json, options.longestCall));
      return answer === undefined ? vm.undefined : vm.newString(answer);
    });
    const boot = vm.unwrapResult(vm.evalCode(GUEST_PROGRAM, guestName, { type: 'global' }));
    const limits = vm.newObject();
    vm.setProp(limits, 'logText', vm.newNumber(options.logText));
    vm.setProp(limits, 'resultText', vm.newNumber(options.resultText));
    this.guest = vm.unwrapResult(vm.callFunction(boot, vm.undefined, host, limits));
  }

  /** Measures a text before it is copied out: the host's own memory is not the script's to fill. */
  private read(handle: QuickJSHandle, longest: number): string {
    if (this.vm.typeof(handle) !== 'string') throw new TypeError('expected a text');
    const length = this.vm.getProp(handle, 'length').consume((value) => this.vm.getNumber(value));
    if (length > longest) throw new RangeError(`a text longer than ${longest} characters cannot leave the sandbox`);
    return this.vm.getString(handle);
  }

  /** Evaluates the module and starts its `main`; the two texts are JSON. */
  start(code: string, event: string, ctx: string): Step {
    const { vm } = this;
    const module = vm.evalCode(code, scriptName, { type: 'module' });
    if (module.error) return { failed: this.dump(module.error) };
    return this.callGuest('start', module.value, vm.newString(event), vm.newString(ctx));
  }

  fire(timer: number): Step {
    return this.callGuest('fire', this.vm.newNumber(timer));
  }

  fetched(id: number, ok: boolean, json: string): Step {
    return this.callGuest('fetched', this.vm.newNumber(id), ok ? this.vm.true : this.vm.false, this.vm.newString(json));
  }

  /** Runs up to `most` promise jobs. */
  work(most: number): Step {
    const result = this.vm.runtime.executePendingJobs(most);
    return result.error ? { failed: this.dump(result.error) } : {};
  }

  get hasWork(): boolean {
    return this.vm.runtime.hasPendingJob();
  }

  private callGuest(name: string, ...args: QuickJSHandle[]): Step {
    const result = this.vm.getProp(this.guest, name).consume((method) => this.vm.callFunction(method, this.guest, args));
    if (result.error) return { failed: this.dump(result.error) };
    result.value.dispose();
    return {};
  }

  private dump(error: QuickJSHandle): { name: string; message: string; stack: string } {
    const read = (name: string): string => {
      try {
        return this.vm.getProp(error, name).consume((value) => this.read(value, 16_384));
      } catch {
        return '';
      }
    };
    return { name: read('name'), message: read('message'), stack: read('stack') };
  }
}

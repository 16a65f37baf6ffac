import { createBridge, defineGlobals, parse, stringify, type HostCall } from './bridge.js';
import { createConsole } from './console.js';
import { atob, btoa, TextDecoder, TextEncoder } from './encoding.js';
import { createFetch, Headers, Response } from './fetch.js';
import { describeError } from './format.js';
import { createTimers } from './timers.js';
import { createUrl } from './url.js';

type Limits = { logText: number; resultText: number };

function createCrypto(call: (operation: string, ...args: unknown[]) => unknown) {
  return {
    randomUUID: () => call('uuid') as string,
    getRandomValues: <T extends Uint8Array>(target: T): T => {
      const bytes = call('random', target.byteLength) as number[];
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes);
      return target;
    },
  };
}

/**
 * Runs inside the interpreter before the script: installs the globals and returns what the host calls. Nothing
 * of the host gets in or out but texts.
 */
export function boot(host: HostCall, limits: Limits) {
  const call = createBridge(host);
  const timers = createTimers(call);
  const { URL, URLSearchParams } = createUrl(call);
  const web = createFetch(call);

  const start = async (module: { main?: unknown }, event: string, ctx: string): Promise<void> => {
    let value: unknown;
    try {
      const { main } = await module;
      if (typeof main !== 'function') return void call('done', 'no_main', '');
      value = await main(parse(event), parse(ctx));
    } catch (error) {
      return void call('done', 'threw', describeError(error));
    }
    let json: string | undefined;
    try {
      json = value === undefined ? 'null' : stringify(value);
    } catch (error) {
      return void call('done', 'not_serialisable', describeError(error));
    }
    if (json === undefined) return void call('done', 'not_serialisable', { name: 'TypeError', message: `a ${typeof value} is no JSON value`, stack: '' });
    if (json.length > limits.resultText) return void call('done', 'result_too_large', json.length);
    call('done', 'ok', json);
  };

  const fire = (id: number): void => {
    try {
      timers.fire(id);
    } catch (error) {
      call('done', 'threw', describeError(error));
    }
  };

  defineGlobals({
    console: createConsole(call, limits.logText),
    crypto: createCrypto(call),
    fetch: web.fetch,
    Headers,
    Response,
    URL,
    URLSearchParams,
    TextEncoder,
    TextDecoder,
    atob,
    btoa,
    setTimeout: timers.setTimeout,
    clearTimeout: timers.clearTimeout,
    queueMicrotask: (job: () => void) => void Promise.resolve().then(job),
    structuredClone: (value: unknown) => (value === undefined ? undefined : parse(stringify(value))),
  });
  return { start, fire, fetched: web.fetched };
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { ScriptSandbox } from './script-sandbox.js';
import { defaultScriptLimits, type SandboxRequest, type ScriptInput, type ScriptLimits, type ScriptOutcome } from './script-types.js';

const secret = 'sk-live-0123456789';
/** Milliseconds for a test that may have to wait for its script several times. */
const longest = 60_000;
const requests: SandboxRequest[] = [];
const hanging: AbortSignal[] = [];
let sandbox: ScriptSandbox;

type Failure = Extract<ScriptOutcome, { ok: false }>;
type Options = Partial<Omit<ScriptInput, 'limits'>> & { limits?: Partial<ScriptLimits> };

function run(code: string, options: Options = {}): Promise<ScriptOutcome> {
  const { limits, ctx, ...rest } = options;
  return sandbox.run({
    code,
    language: 'typescript',
    event: { n: 20, list: ['a', 'b'] },
    ctx: { run: { id: 'run_1', attempt: 1 }, trigger: { id: 'trg_1' }, secrets: { API_KEY: secret }, ...ctx },
    limits: { ...defaultScriptLimits, timeoutMs: 20_000, ...limits },
    ...rest,
  });
}

const main = (body: string): string => `export async function main(event: any, ctx: any) {\n${body}\n}`;

/** How long a busy machine takes to get a script as far as it should come is not known: more time is given until it has come there. */
async function timedOutAfter(reached: (failure: Failure) => boolean, code: string, firstMs = 300): Promise<Failure & { timeoutMs: number }> {
  for (let timeoutMs = firstMs; ; timeoutMs *= 4) {
    const failure = failureOf(await run(code, { limits: { timeoutMs } }));
    expect(failure).toMatchObject({ class: 'script', code: 'timeout', message: `The script did not finish within ${timeoutMs} ms.` });
    if (reached(failure) || timeoutMs > 10_000) return { ...failure, timeoutMs };
  }
}

function resultOf(outcome: ScriptOutcome): unknown {
  expect(outcome).toMatchObject({ ok: true });
  return outcome.ok ? outcome.result : undefined;
}

function failureOf(outcome: ScriptOutcome): Failure {
  if (outcome.ok) throw new Error(`expected a failure, got ${JSON.stringify(outcome)}`);
  return outcome;
}

beforeAll(() => {
  sandbox = new ScriptSandbox({
    processes: 2,
    now: () => performance.now(),
    fetch: async (request, { signal }) => {
      requests.push(request);
      if (request.url.startsWith('http://169.254.')) throw new Error('Requests to 169.254.169.254 are refused: it is a link-local address.');
      if (request.url.endsWith('/huge')) return { status: 200, headers: {}, body: 'x'.repeat(5 * 1024 * 1024) };
      if (request.url.endsWith('/never')) {
        hanging.push(signal);
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      }
      return { status: request.method === 'POST' ? 201 : 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ echo: request }) };
    },
  });
});

afterAll(() => sandbox.close());

describe('what a script can do', () => {
  it('returns what main returns', async () => {
    expect(resultOf(await run(main('return { doubled: event.n * 2, who: ctx.run.id, on: ctx.trigger.id };')))).toEqual({ doubled: 40, who: 'run_1', on: 'trg_1' });
  });

  it('runs a JavaScript script', async () => {
    expect(resultOf(await run('export const main = (event) => event.list.join("+");', { language: 'javascript' }))).toBe('a+b');
  });

  it('runs TypeScript with types, enums, classes and satisfies', async () => {
    const code = `
      type Event = { n: number };
      enum Colour { Red = 'red', Green = 'green' }
      class Box<T> { #inner: T; constructor(inner: T) { this.#inner = inner; } get value(): T { return this.#inner; } }
      export async function main(event: Event): Promise<{ colour: Colour; value: number }> {
        return { colour: Colour.Green, value: new Box<number>(event.n satisfies number).value! };
      }`;
    expect(resultOf(await run(code))).toEqual({ colour: 'green', value: 20 });
  });

  it('gives null for a script that returns nothing', async () => {
    expect(resultOf(await run(main('')))).toBeNull();
  });

  it('hands over secrets and the side field auth', async () => {
    const outcome = await run(main('return [ctx.secrets.API_KEY.length, ctx.auth.token];'), {
      ctx: { run: {}, trigger: {}, secrets: { API_KEY: secret }, auth: { token: 'one-hour-token' } },
    });
    expect(resultOf(outcome)).toEqual([secret.length, 'one-hour-token']);
  });

  it('keeps console output with level and time', async () => {
    const outcome = await run(main('console.log("a", { b: [1, 2n] }); await new Promise((r) => setTimeout(r, 30)); console.error(new Error("shown"));'));
    expect(outcome.logs.map(({ level, text }) => [level, text])).toEqual([
      ['log', 'a {"b":[1,"2n"]}'],
      ['error', expect.stringMatching(/^Error: shown\n\s+at main \(script\.ts:2:\d+\)$/u)],
    ]);
    const [first, second] = outcome.logs;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(25);
  });

  it('has timers, URL, base64, text encoding, random ids and clones', async () => {
    const code = main(`
      const order: string[] = [];
      const dropped = setTimeout(() => order.push('dropped'), 1);
      clearTimeout(dropped);
      await new Promise<void>((r) => setTimeout(() => { order.push('late'); r(); }, 20));
      const url = new URL('/a b?x=1#h', 'https://example.org:8443');
      url.searchParams.append('y', 'ü&');
      url.pathname = '/c';
      const text = 'grüß 🎈';
      const copy = structuredClone({ a: [1] });
      return {
        order, href: url.href, host: url.host, y: url.searchParams.get('y'), bad: URL.canParse('nonsense'),
        base64: [btoa('hello'), atob('aGVsbG8='), atob(btoa('\\xff\\x00'))].map((x) => x.length),
        bytes: [...new TextEncoder().encode('ü€')], round: new TextDecoder().decode(new TextEncoder().encode(text)) === text,
        uuid: /^[0-9a-f-]{36}$/.test(crypto.randomUUID()) && crypto.randomUUID() !== crypto.randomUUID(),
        random: crypto.getRandomValues(new Uint8Array(8)).length, copy,
        form: String(new URLSearchParams({ a: '1', b: 'x y' })),
      };`);
    expect(resultOf(await run(code))).toEqual({
      order: ['late'], href: 'https://example.org:8443/c?x=1&y=%C3%BC%26#h', host: 'example.org:8443', y: 'ü&', bad: false,
      base64: [8, 5, 2], bytes: [0xc3, 0xbc, 0xe2, 0x82, 0xac], round: true, uuid: true, random: 8, copy: { a: [1] }, form: 'a=1&b=x+y',
    });
  });
});

describe('fetch', () => {
  it('is performed by the parent and answers like a Response', async () => {
    const outcome = await run(main(`
      const response = await fetch(new URL('https://api.example.org/items'), { method: 'post', headers: { 'X-Key': ctx.secrets.API_KEY }, body: JSON.stringify({ n: 1 }) });
      const data = await response.json();
      return { status: response.status, ok: response.ok, type: response.headers.get('content-type'), echo: data.echo, text: (await response.text()).length > 10 };`));
    expect(resultOf(outcome)).toEqual({
      status: 201, ok: true, type: 'application/json', text: true,
      echo: { url: 'https://api.example.org/items', method: 'POST', headers: { 'x-key': secret }, body: '{"n":1}' },
    });
  });

  it('rejects in the script with the guard\'s sentence', async () => {
    const code = main('try { await fetch("http://169.254.169.254/latest"); } catch (error) { return [error instanceof TypeError, error.message]; }');
    expect(resultOf(await run(code))).toEqual([true, 'Requests to 169.254.169.254 are refused: it is a link-local address.']);
  });

  it('runs several requests at once and stops at the limit', async () => {
    const before = requests.length;
    const code = main('const all = await Promise.allSettled([1, 2, 3, 4].map((n) => fetch("https://example.org/" + n))); return all.map((one) => one.status === "fulfilled" ? one.value.status : one.reason.message);');
    expect(resultOf(await run(code, { limits: { fetchCount: 3 } }))).toEqual([200, 200, 200, 'A run may call fetch at most 3 times.']);
    expect(requests.length - before).toBe(3);
  });

  it('refuses an answer that is too big, and bodies that are no text', async () => {
    const code = main('const no = (e) => e.message; return [await fetch("https://example.org/huge").catch(no), await fetch("https://example.org/", { body: {} }).catch(no)];');
    expect(resultOf(await run(code))).toEqual([expect.stringContaining('at most'), expect.stringContaining('JSON.stringify')]);
  });

  it('aborts what is outstanding when the run ends', async () => {
    await timedOutAfter(() => hanging.length > 0, main('await fetch("https://example.org/never");'));
    expect(hanging.map(({ aborted }) => aborted)).toEqual([true]);
  }, longest);
});

describe('failures of the script', () => {
  it('names the message and the TypeScript line of what was thrown', async () => {
    const code = 'type Unused = {\n  a: string;\n};\n\n// a comment\nfunction fail(): never {\n  throw new RangeError("boom");\n}\nexport async function main() {\n  fail();\n}\n';
    const failure = failureOf(await run(code));
    expect(failure).toMatchObject({ class: 'script', code: 'threw', message: 'RangeError: boom' });
    expect(failure.stack).toMatch(/^RangeError: boom\n\s+at fail \(script\.ts:7:\d+\)\n\s+at main \(script\.ts:10:\d+\)/u);
    expect(failure.stack).not.toContain('vane-');
  });

  it('names the line in JavaScript, also after an await', async () => {
    const failure = failureOf(await run('\n\nexport async function main() {\n  await null;\n  null.x;\n}', { language: 'javascript' }));
    expect(failure).toMatchObject({ code: 'threw', message: expect.stringMatching(/^TypeError: /u) });
    expect(failure.stack).toMatch(/script\.js:5:\d+/u);
  });

  it('reports rejections, values that are no errors, and errors in timers', async () => {
    expect(failureOf(await run(main('return Promise.reject(new Error("no"));'))).message).toBe('no');
    expect(failureOf(await run(main('throw { code: 7 };'))).message).toBe('{"code":7}');
    expect(failureOf(await run(main('setTimeout(() => { throw new Error("late"); }, 1); await new Promise(() => {});'))).message).toBe('late');
    expect(failureOf(await run('throw new Error("top");\nexport const main = () => 1;')).message).toBe('top');
  });

  it('survives endless recursion', async () => {
    expect(failureOf(await run(main('const f = () => f() + 1; return f();')))).toMatchObject({ class: 'script', code: 'threw', message: expect.stringContaining('stack overflow') });
    expect(failureOf(await run(main('let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; return deep;')))).toMatchObject({ class: 'script' });
  });

  it('says where the code does not compile', async () => {
    expect(failureOf(await run('const a = 1;\nconst = 2;'))).toMatchObject({ class: 'script', code: 'compile_error', message: expect.stringMatching(/^script\.ts:2:7: Expected identifier/u) });
  });

  it('says so when there is no main', async () => {
    expect(failureOf(await run('export const other = 1;'))).toMatchObject({ class: 'script', code: 'no_main', message: expect.stringContaining('export async function main') });
  });

  it.each(['import fs from "fs"; export const main = () => fs;', 'import "./other.js";', 'export * from "lodash";', 'export const main = () => import("fs");', 'export const main = () => require("fs");'])(
    'refuses %s with a clear sentence', async (code) => {
      expect(failureOf(await run(code))).toMatchObject({ code: 'compile_error', message: expect.stringMatching(/script\.ts:1:\d+: A script cannot import ".+": it is one file/u) });
    });

  it.each([
    ['a circular result', 'const a: any = {}; a.a = a; return a;', 'not_serialisable'],
    ['a BigInt result', 'return { n: 1n };', 'not_serialisable'],
    ['a function as result', 'return () => 1;', 'not_serialisable'],
    ['a huge result', 'return "x".repeat(2_000_000);', 'result_too_large'],
    ['a result of many bytes in few characters', 'return "€".repeat(100_000);', 'result_too_large'],
  ])('refuses %s', async (_name, body, code) => {
    expect(failureOf(await run(main(body)))).toMatchObject({ class: 'script', code });
  });

  it('ends at once when nothing can settle what main waits for', async () => {
    const failure = failureOf(await run(main('await new Promise(() => {});'), { limits: { timeoutMs: 600_000 } }));
    expect(failure).toMatchObject({ code: 'threw', message: expect.stringContaining('nothing can settle') });
  });
});

describe('limits', () => {
  it('stops an endless loop while others run and the parent stays responsive', async () => {
    let worst = 0;
    let last = performance.now();
    const drift = setInterval(() => {
      worst = Math.max(worst, performance.now() - last - 5);
      last = performance.now();
    }, 5);
    const loop = timedOutAfter(({ logs }) => logs.length > 0, main('console.log("looping"); for (;;) {}'), 1_500);
    const others = [await run(main('return 1;')), await run(main('return 2;'))];
    const failure = await loop;
    clearInterval(drift);
    expect(others.map(resultOf)).toEqual([1, 2]);
    expect(failure.logs[0]?.text).toBe('looping');
    // A parent that waited for the loop would be away for all of its time.
    expect(worst).toBeLessThan(failure.timeoutMs / 2);
  }, longest);

  it.each([
    ['waiting on a timer for ever', 'await new Promise((r) => setTimeout(r, 3_600_000));'],
    ['endless promise jobs', 'for (;;) await null;'],
    ['a loop that catches everything', 'for (;;) { try { for (;;) {} } catch {} finally { continue; } }'],
    ['a regular expression that backtracks for ever', 'return /^(a+)+$/.test("a".repeat(60) + "b");'],
    ['an endless getter while the result is written', 'return { toJSON() { for (;;) {} } };'],
  ])('stops %s', async (_name, body) => {
    const failure = await timedOutAfter(({ logs }) => logs.length > 0, main(`console.log("began");\n${body}`));
    expect(failure).toMatchObject({ logs: [{ text: 'began' }] });
    expect(failure.durationMs).toBeLessThan(failure.timeoutMs + 5_000);
  }, longest);

  it.each([
    ['growing arrays', 'const all = []; for (;;) all.push(new Array(1000).fill(1));'],
    ['growing objects', 'const all = {}; for (let i = 0; ; i++) all["k" + i] = i;'],
    ['a doubling string', 'let s = "x"; for (;;) s += s;'],
    ['long strings', 'const all = []; for (;;) all.push("x".repeat(1e6) + all.length);'],
    ['one big ArrayBuffer', 'return new ArrayBuffer(2e9).byteLength;'],
    ['many ArrayBuffers', 'const all = []; for (;;) all.push(new ArrayBuffer(8 << 20));'],
  ])('ends a script that eats memory by %s', async (_name, body) => {
    expect(failureOf(await run(main(body), { limits: { memoryMb: 32, timeoutMs: 50_000 } }))).toMatchObject({ class: 'script', code: 'out_of_memory', message: 'The script needed more than its 32 MiB of memory.' });
    expect(resultOf(await run(main('return "next";')))).toBe('next');
  }, longest);

  it('keeps the first part of a megabyte of output and says so', async () => {
    for (const body of ['console.log("x".repeat(1 << 20));', 'for (let i = 0; i < 20_000; i++) console.log("line " + i + " " + "y".repeat(50));']) {
      const outcome = await run(main(body), { limits: { logBytes: 10_000 } });
      const bytes = outcome.logs.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
      expect(outcome).toMatchObject({ ok: true, logsTruncated: true });
      expect(bytes).toBeGreaterThan(5_000);
      expect(bytes).toBeLessThanOrEqual(10_000);
    }
  });
});

describe('isolation', () => {
  it.each([
    ['({}).constructor.constructor("return typeof process")()', 'undefined'],
    ['fetch.constructor("return typeof process + typeof require + typeof module")()', 'undefinedundefinedundefined'],
    ['(0, eval)("typeof process + typeof globalThis.WebAssembly + typeof Deno")', 'undefinedundefinedundefined'],
    ['["std", "os", "scriptArgs", "print", "Worker", "SharedArrayBuffer.x", "vaneGuest", "host"].filter((n) => typeof globalThis[n] !== "undefined")', []],
    ['Object.keys(globalThis)', []],
    ['await import(["f", "s"].join("")).then(() => "in", (error) => "refused")', 'refused'],
    ['await import(["file:///etc/", "passwd"].join("")).then(() => "in", () => "refused")', 'refused'],
    ['(() => { try { null.x } catch (e) { return /node|\\/work|file:|wasm/.test(e.stack) } })()', false],
    ['(() => { try { new URL("::") } catch (e) { return [e.constructor === TypeError, /node:|file:|wasm/.test(e.stack), typeof e.constructor.constructor("return process?.x")] } })()', [true, false, 'function']],
  ])('gives nothing away to %s', async (expression, expected) => {
    expect(resultOf(await run(main(`return ${expression};`)))).toEqual(expected);
  });

  it('shares no state between two runs', async () => {
    const code = main('globalThis.count = (globalThis.count ?? 0) + 1; Object.prototype.leak = (Object.prototype.leak ?? 0) + 1; Array.prototype.map = null; JSON.parse = null; return globalThis.count + ({}).leak;');
    const outcomes = await Promise.all([run(code), run(code), run(code), run(code)]);
    expect(outcomes.map(resultOf)).toEqual([2, 2, 2, 2]);
  });

  it('masks secrets in output and errors, whole, escaped and where output is cut', async () => {
    const multiline = 'first line of a key\nsecond "line" of a key';
    const ctx = { run: {}, trigger: {}, secrets: { API_KEY: secret, KEY: multiline }, auth: { token: 'one-hour-token' } };
    const outcome = failureOf(await run(main(`
      console.log('key', ctx.secrets.API_KEY, JSON.stringify(ctx.secrets), encodeURIComponent(ctx.secrets.KEY), ctx.auth.token);
      console.log(ctx.secrets.KEY.split('\\n')[1]);
      console.log('z'.repeat(900 - 20) + ctx.secrets.API_KEY.repeat(50));
      throw new Error('bad key ' + ctx.secrets.API_KEY);`), { ctx, limits: { logBytes: 1_200 } }));
    expect(outcome.message).toBe('bad key ***');
    const everything = JSON.stringify(outcome);
    expect(everything).toContain('key ***');
    for (const hidden of ['sk-l', '0123456789', 'first line', 'second', 'one-hour-token']) expect(everything).not.toContain(hidden);
  });
});

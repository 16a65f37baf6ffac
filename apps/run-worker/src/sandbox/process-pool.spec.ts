import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { ScriptSandbox } from './script-sandbox.js';
import { defaultScriptLimits, type ScriptInput, type ScriptLimits, type ScriptOutcome } from './script-types.js';

let sandbox: ScriptSandbox;

const main = (body: string): string => `export async function main(event, ctx) {\n${body}\n}`;
const input = { language: 'javascript' as const, event: {}, ctx: { run: {}, trigger: {}, secrets: {} }, limits: defaultScriptLimits };

function run(code: string, options: Partial<Omit<ScriptInput, 'limits'>> & { limits?: Partial<ScriptLimits> } = {}): Promise<ScriptOutcome> {
  return sandbox.run({ ...input, code, ...options, limits: { ...defaultScriptLimits, ...options.limits } });
}

/** Compiler processes of this process, which others than this file's sandbox may have started. */
function compilerPids(): number[] {
  const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean);
  return pids.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--service=')).map(Number);
}

let compilersOfOthers: number[];

beforeAll(() => {
  compilersOfOthers = compilerPids();
  sandbox = new ScriptSandbox({ processes: 2, now: () => performance.now(), fetch: async () => ({ status: 200, headers: {}, body: '' }) });
});

afterAll(() => sandbox.close());

describe('the pool', () => {
  it('reports a child that is killed mid-run as ours, and recovers', async () => {
    let started: (value: unknown) => void = () => undefined;
    const asked = new Promise((resolve) => { started = resolve; });
    const own = new ScriptSandbox({ processes: 1, now: () => performance.now(), fetch: async () => { started(undefined); return new Promise(() => undefined); } });
    const cut = own.run({ ...input, code: 'export async function main() { console.log("here"); await fetch("https://example.org/"); }' });
    await asked;
    for (const pid of own.pids()) process.kill(pid, 'SIGKILL');
    expect(await cut).toMatchObject({ ok: false, class: 'ours', code: 'sandbox_crashed', message: 'The sandbox process was ended by SIGKILL. The run can be tried again.', logs: [{ text: 'here' }] });
    expect(await own.run({ ...input, code: 'export const main = () => "again";' })).toMatchObject({ ok: true, result: 'again' });
    await own.close();
    expect(own.pids()).toEqual([]);
    expect(await own.run({ ...input, code: 'export const main = () => 1;' })).toMatchObject({ ok: false, class: 'ours', code: 'cancelled' });
  });

  it('cancels a run by its signal, also while it waits for a child', async () => {
    const controller = new AbortController();
    const code = main('for (;;) {}');
    const runs = [1, 2, 3].map(() => run(code, { signal: controller.signal, limits: { timeoutMs: 20_000 } }));
    await run(main('return 1;'), { signal: AbortSignal.abort() }).then((outcome) => expect(outcome).toMatchObject({ ok: false, code: 'cancelled' }));
    controller.abort();
    for (const outcome of await Promise.all(runs)) expect(outcome).toMatchObject({ ok: false, class: 'ours', code: 'cancelled' });
    expect(await run(main('return "after";'))).toMatchObject({ ok: true, result: 'after' });
  });

  it('refuses a script that is too long for the compiler and compiles the worst one that is not', async () => {
    const outcome = await run(`export const main = () => ${'!'.repeat(200_000)}1;`);
    expect(outcome).toMatchObject({ class: 'script', code: 'compile_error', message: expect.stringContaining('characters long') });
    expect(await run(`export const main = () => ${'!'.repeat(130_000)}1;`)).toMatchObject({ ok: true, result: true });
  });

  it('compiles on after the compiler process died', async () => {
    expect(await run(main('return "before";'))).toMatchObject({ result: 'before' });
    const compilers = compilerPids().filter((pid) => !compilersOfOthers.includes(pid));
    expect(compilers).toHaveLength(1);
    for (const pid of compilers) process.kill(pid, 'SIGKILL');
    const outcomes = await Promise.all(['one', 'two'].map((word) => run(main(`return "${word}";`))));
    expect(outcomes).toMatchObject([{ result: 'one' }, { result: 'two' }]);
  });

  it('does not reject when the event is no JSON value, and keeps its children', async () => {
    expect(await run(main('return 1;'), { event: { n: 1n } })).toMatchObject({ ok: false, class: 'ours', code: 'sandbox_crashed', message: expect.stringContaining('BigInt') });
    const outcomes = await Promise.all([1, 2, 3].map((n) => run(main(`return ${n};`))));
    expect(outcomes).toMatchObject([{ result: 1 }, { result: 2 }, { result: 3 }]);
  });
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { getRun, listSecrets, putSecret } from '@vane/contracts';
import { newSecret, startHttpReceiver } from '@vane/testing';
import { allLogs } from './instance-files.js';
import { postSigned } from './posting.js';
import { system, Workspace } from './system.js';

type Options = Parameters<Workspace['script']>[1];
type Expected = { status: string; code: string | null; says?: RegExp };

const main = (body: string) => `export async function main(event, ctx) { ${body} }`;

/** What goes wrong, how it is written, and what the attempt must say: the code is for machines, the sentence for the author. */
const MISBEHAVIOURS: Record<string, { code: string; options?: Options; expected: Expected }> = {
  throws: { code: main('\n  throw new Error("no such luck");'), expected: { status: 'dead', code: 'threw', says: /no such luck[\s\S]*script\.ts:2:/ } },
  'throws what is no error': { code: main('throw undefined'), expected: { status: 'dead', code: 'threw' } },
  'loops for ever': { code: main('for (;;) {}'), options: { timeoutMs: 700 }, expected: { status: 'dead', code: 'timeout', says: /700 ms/ } },
  'catches its own interruption': {
    code: main('for (;;) { try { for (;;) {} } catch {} }'),
    options: { timeoutMs: 700 },
    expected: { status: 'dead', code: 'timeout' },
  },
  'schedules for ever': {
    code: main('const again = () => Promise.resolve().then(again); await again();'),
    options: { timeoutMs: 700 },
    expected: { status: 'dead', code: 'timeout' },
  },
  'waits for nothing': { code: main('await new Promise(() => {})'), expected: { status: 'dead', code: 'threw', says: /nothing can settle/ } },
  'eats memory': {
    code: main('const kept = []; for (;;) kept.push(new Uint8Array(1_000_000).fill(1));'),
    options: { memoryMb: 32 },
    expected: { status: 'dead', code: 'out_of_memory', says: /32 MiB/ },
  },
  'recurses for ever': { code: main('const down = (n) => down(n + 1) + 1; return down(0);'), expected: { status: 'dead', code: 'threw' } },
  'returns a megabyte': { code: main('return "x".repeat(1_048_576)'), expected: { status: 'failed', code: 'result_too_large' } },
  'returns what JSON cannot say': { code: main('const loop = {}; loop.loop = loop; return loop;'), expected: { status: 'failed', code: 'not_serialisable' } },
  'has no main': { code: 'export const other = 1;', expected: { status: 'failed', code: 'no_main', says: /export async function main/ } },
  'is not a program': { code: 'export async function main( {', expected: { status: 'failed', code: 'compile_error' } },
  'imports a module of the host': { code: `import { readFileSync } from 'node:fs';\n${main('return readFileSync("/etc/passwd", "utf8");')}`, expected: { status: 'failed', code: 'compile_error' } },
  'imports one while it runs': { code: main('return await import("node:fs");'), expected: { status: 'failed', code: 'compile_error' } },
  'prints a megabyte': { code: main('for (let n = 0; n < 1024; n += 1) console.log("y".repeat(1024)); return "printed";'), expected: { status: 'succeeded', code: null } },
};

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.create('scripts');
});

const hookTo = (runnable: string) => workspace.genericTrigger(runnable, { scheme: 'standard-webhooks' });
const details = (run: { id: string }) => workspace.api.call(getRun, { workspace: workspace.id, run: run.id });

/** Sends one event to a new trigger on the script and returns its run with all attempts. */
async function runOnce(code: string, options: Options = {}) {
  const hook = await hookTo(await workspace.script(code, options));
  expect(await postSigned(hook.callbackUrl, hook.secret!, 'msg_1', { n: 1 })).toBe(200);
  const [run] = await workspace.endedRuns(hook.id, 1);
  return details(run!);
}

it('lets each misbehaving script fail alone and clearly while its neighbours of the same moment succeed', async () => {
  const bad = await Promise.all(
    Object.entries(MISBEHAVIOURS).map(async ([name, { code, options, expected }]) => ({
      name, expected, hook: await hookTo(await workspace.script(code, options)),
    })),
  );
  const neighbour = await hookTo(await workspace.script(main('return event.payload.n * 2')));
  const neighbours = Array.from({ length: 2 * bad.length }, (_, n) => n);
  const statuses = await Promise.all([
    ...bad.map(({ hook }) => postSigned(hook.callbackUrl, hook.secret!, 'msg_1', { n: 1 })),
    ...neighbours.map((n) => postSigned(neighbour.callbackUrl, neighbour.secret!, `msg_${n}`, { n })),
  ]);
  expect(new Set(statuses)).toEqual(new Set([200]));

  const good = await Promise.all((await workspace.endedRuns(neighbour.id, neighbours.length)).map(details));
  expect(good.map(({ status, attempts }) => `${status} ${attempts}`)).toEqual(neighbours.map(() => 'succeeded 1'));
  expect(good.map(({ attemptList }) => attemptList[0]!.result as number).sort((a, b) => a - b)).toEqual(neighbours.map((n) => 2 * n));

  for (const { name, expected, hook } of bad) {
    const [run] = await workspace.endedRuns(hook.id, 1);
    const { status, attemptList } = await details(run!);
    const [{ code, fault, message }] = attemptList as [(typeof attemptList)[number]];
    expect({ name, status, code }).toEqual({ name, status: expected.status, code: expected.code });
    expect({ name, fault }).toEqual({ name, fault: expected.code === null ? null : 'script' });
    if (expected.says) expect(message).toMatch(expected.says);
    if (expected.code !== null) expect(message).toMatch(/\S+/);
  }
});

it('keeps the beginning of a flood of output and says that there was more', async () => {
  const { attemptList } = await runOnce(MISBEHAVIOURS['prints a megabyte']!.code);
  const { logs, result } = attemptList[0]!;
  expect(result).toBe('printed');
  expect(logs.length).toBeGreaterThan(30_000);
  expect(logs.length).toBeLessThan(100_000);
  expect(logs).toContain('y'.repeat(1024));
  expect(logs).toMatch(/The rest of the output was too long/);
});

it('shows a script nothing of the process it runs in', async () => {
  const { attemptList } = await runOnce(
    main(`const outer = globalThis.constructor.constructor('return globalThis')();
      return [typeof outer.process, typeof outer.require, typeof outer.Buffer, typeof outer.WebAssembly];`),
  );
  expect(attemptList[0]!.result).toEqual(['undefined', 'undefined', 'undefined', 'undefined']);
});

it('does not let one run see what another left behind', async () => {
  const hook = await hookTo(await workspace.script(`let count = 0; ${main('count += 1; globalThis.left = (globalThis.left ?? 0) + 1; Array.prototype.push = null; return [count, globalThis.left];')}`));
  for (let n = 0; n < 6; n += 1) expect(await postSigned(hook.callbackUrl, hook.secret!, `msg_${n}`, { n })).toBe(200);
  const runs = await Promise.all((await workspace.endedRuns(hook.id, 6)).map(details));
  expect(runs.map(({ attemptList }) => attemptList[0]!.result)).toEqual(runs.map(() => [1, 1]));
});

describe('fetch of a script', () => {
  it('reaches what is allowed, and nothing inside: not by address, name, notation or redirect', async () => {
    const hidden: string[] = [];
    const inside = createServer((request, response) => {
      hidden.push(request.url ?? '');
      response.end('inside');
    });
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.2', resolve));
    const port = (inside.address() as AddressInfo).port;
    const allowed = await startHttpReceiver();
    const bounce = createServer((_request, response) => response.writeHead(302, { location: `http://127.0.0.2:${port}/bounced` }).end());
    await new Promise<void>((resolve) => bounce.listen(0, '127.0.0.1', resolve));
    try {
      const blocked = [
        `http://127.0.0.2:${port}/address`,
        `http://2130706434:${port}/decimal`,
        `http://0x7f.2:${port}/hex`,
        `http://[::ffff:127.0.0.2]:${port}/mapped`,
        `http://127.0.0.1:${(bounce.address() as AddressInfo).port}/bounce`,
        'http://169.254.169.254/latest/meta-data/',
        'http://[fd00:ec2::254]/latest/meta-data/',
        'http://metadata.google.internal/computeMetadata/v1/',
        'http://10.0.0.1/',
        'http://[::1]:5432/',
        'file:///etc/passwd',
      ];
      const { attemptList } = await runOnce(
        main(`const answers = [];
          for (const url of ${JSON.stringify([`${allowed.url}/open`, ...blocked])}) {
            answers.push(await fetch(url).then((response) => response.status, (error) => error.name + ': ' + error.message));
          }
          return answers;`),
      );
      const [open, ...refused] = attemptList[0]!.result as unknown[];
      expect(open).toBe(200);
      expect(refused).toHaveLength(blocked.length);
      for (const [index, answer] of refused.entries()) expect([blocked[index], answer]).toEqual([blocked[index], expect.stringMatching(/^TypeError: /)]);
      expect(hidden).toEqual([]);
      expect(allowed.calls.map(({ path }) => path)).toEqual(['/open']);
    } finally {
      inside.close();
      bounce.close();
      await allowed.close();
    }
  });
});

describe('secrets of a workspace', () => {
  it('reach a script, and never its output, its errors, the API or a log', async () => {
    const value = `s3cr3t/"quoted" & ${newSecret('the random part of API_KEY')}`;
    await workspace.api.call(putSecret, { workspace: workspace.id, name: 'API_KEY', value });
    const { attemptList } = await runOnce(
      main(`console.log('plain', ctx.secrets.API_KEY); console.error({ nested: [ctx.secrets] });
        console.log(JSON.stringify(ctx.secrets), encodeURIComponent(ctx.secrets.API_KEY));
        if ([...ctx.secrets.API_KEY].reverse().join('') !== ${JSON.stringify([...value].reverse().join(''))}) throw new Error('another secret');
        throw new Error('failed with ' + ctx.secrets.API_KEY);`),
    );
    const [attempt] = attemptList;
    expect(attempt!.message).toContain('failed with ***');
    expect(attempt!.logs).toContain('plain ***');
    const shown = JSON.stringify(attemptList) + JSON.stringify(await workspace.api.call(listSecrets, { workspace: workspace.id })) + allLogs(system().dir);
    for (const form of [value, JSON.stringify(value).slice(1, -1), JSON.stringify(JSON.stringify(value)).slice(3, -3), encodeURIComponent(value)]) {
      expect(shown.includes(form)).toBe(false);
    }
  });

  it('are read anew for each run, and only those of the own workspace', async () => {
    await workspace.api.call(putSecret, { workspace: workspace.id, name: 'TURN', value: newSecret('TURN') });
    const other = await Workspace.create('other');
    await other.api.call(putSecret, { workspace: other.id, name: 'FOREIGN', value: newSecret('FOREIGN') });
    const code = main('return [ctx.secrets.TURN.length, "FOREIGN" in ctx.secrets]');
    expect((await runOnce(code)).attemptList[0]!.result).toEqual([32, false]);
    await workspace.api.call(putSecret, { workspace: workspace.id, name: 'TURN', value: `${newSecret('TURN')}!` });
    expect((await runOnce(code)).attemptList[0]!.result).toEqual([33, false]);
  });
});

describe('retries', () => {
  it('try the same run again until it succeeds', async () => {
    const run = await runOnce(main('if (ctx.run.attempt < 3) throw new Error("not yet"); return ctx.run.id;'), { maxAttempts: 5 });
    expect(run).toMatchObject({ status: 'succeeded', attempts: 3, reason: null });
    expect(run.attemptList.map(({ number, outcome }) => [number, outcome])).toEqual([[1, 'failed'], [2, 'failed'], [3, 'succeeded']]);
    expect(run.attemptList[2]!.result).toBe(run.id);
  });

  it('end in the dead letter after the last attempt, with every attempt kept', async () => {
    const run = await runOnce(main('console.log("attempt", ctx.run.attempt); throw new Error("never");'), { maxAttempts: 3 });
    expect(run).toMatchObject({ status: 'dead', attempts: 3, reason: 'threw', nextAttemptAt: null });
    expect(run.attemptList.map(({ logs }) => /attempt \d/.exec(logs)?.[0])).toEqual(['attempt 1', 'attempt 2', 'attempt 3']);
  });

  it('are not made where another attempt would end the same way', async () => {
    const run = await runOnce(main('return "x".repeat(1_048_576)'), { maxAttempts: 5 });
    expect(run).toMatchObject({ status: 'failed', attempts: 1, reason: 'result_too_large' });
    const receiver = await startHttpReceiver();
    try {
      receiver.answer = () => ({ status: 422, body: 'no' });
      const target = await workspace.httpTarget(receiver.url, { maxAttempts: 5, backoffMs: 100 });
      const hook = await hookTo(target.id);
      await postSigned(hook.callbackUrl, hook.secret!, 'msg_1', { n: 1 });
      const [refused] = await workspace.endedRuns(hook.id, 1);
      expect(refused).toMatchObject({ status: 'failed', attempts: 1, reason: 'http_422' });
      expect(receiver.calls).toHaveLength(1);
    } finally {
      await receiver.close();
    }
  });
});

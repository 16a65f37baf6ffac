import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

type Finding = { ruleId: string; message: string };

const root = fileURLToPath(new URL('..', import.meta.url));
const BOUNDARIES = '@nx/enforce-module-boundaries';
const IMPORTS = '@typescript-eslint/no-restricted-imports';

/** Files that exist, so that the project graph and the type checker know them, with what is put in their place. */
const violations: { what: string; file: string; code: string; rule: string; says: RegExp }[] = [
  { what: 'a service that imports another service', file: 'libs/adapters/src/github/config.ts', code: "export * from '../generic-webhook/config.js';", rule: IMPORTS, says: /no other service/ },
  { what: 'a service that imports what is above it', file: 'libs/adapters/src/github/config.ts', code: "export * from '../registry.js';", rule: IMPORTS, says: /nothing above it/ },
  { what: 'a service that imports the runtime', file: 'libs/adapters/src/github/config.ts', code: "export { Clock } from '@vane/runtime';", rule: BOUNDARIES, says: /type:adapters/ },
  { what: 'a service that opens a socket', file: 'libs/adapters/src/github/config.ts', code: "export { connect } from 'node:net';", rule: IMPORTS, says: /no way out/ },
  { what: 'a service that calls fetch', file: 'libs/adapters/src/github/config.ts', code: "export const answer = () => fetch('https://example.org/');", rule: 'no-restricted-globals', says: /http client/ },
  { what: 'a service that imports dynamically', file: 'libs/adapters/src/github/config.ts', code: "export const late = () => import('node:net');", rule: 'no-restricted-syntax', says: /statically/ },
  { what: 'an app that imports another app', file: 'apps/sync-worker/src/main.ts', code: "export * from '@vane/api-gateway';", rule: IMPORTS, says: /Nothing imports an app/ },
  { what: 'an app that imports a file of another app', file: 'apps/sync-worker/src/main.ts', code: "export * from '../../api-gateway/src/config.js';", rule: BOUNDARIES, says: /relative/ },
  { what: 'the console that imports the runtime', file: 'apps/console/src/clock.ts', code: "export { Clock } from '@vane/runtime';", rule: BOUNDARIES, says: /type:console/ },
  { what: 'an app that imports test helpers', file: 'apps/sync-worker/src/main.ts', code: "export * from '@vane/testing';", rule: BOUNDARIES, says: /type:app/ },
  { what: 'an app that uses NATS itself', file: 'apps/sync-worker/src/main.ts', code: "export { connect } from '@nats-io/transport-node';", rule: IMPORTS, says: /@vane\/runtime/ },
  { what: 'an app that uses BullMQ itself', file: 'apps/sync-worker/src/main.ts', code: "export { Queue } from 'bullmq';", rule: IMPORTS, says: /@vane\/runtime/ },
  { what: 'the kit that imports Nest', file: 'libs/adapters/kit/src/webhook.ts', code: "export { Injectable } from '@nestjs/common';", rule: BOUNDARIES, says: /@nestjs\/common/ },
  { what: 'the library of adapters that imports Nest', file: 'libs/adapters/src/registry.ts', code: "export { Injectable } from '@nestjs/common';", rule: BOUNDARIES, says: /@nestjs\/common/ },
  { what: 'a fake that imports the kit', file: 'libs/adapters/src/github/fake/server.ts', code: "export * from '@vane/kit';", rule: IMPORTS, says: /nothing of ours/ },
  { what: 'a fake that imports its own service', file: 'libs/adapters/src/github/fake/server.ts', code: "export * from '../config.js';", rule: IMPORTS, says: /nothing of ours/ },
  { what: 'the spec of a fake that imports its service', file: 'libs/adapters/src/github/fake/github-fake.spec.ts', code: "import '../config.js';", rule: IMPORTS, says: /nothing of ours/ },
  { what: 'contracts that import pg', file: 'libs/contracts/src/errors.ts', code: "export { Client } from 'pg';", rule: BOUNDARIES, says: /pg/ },
  { what: 'contracts that import the kit', file: 'libs/contracts/src/errors.ts', code: "export * from '@vane/kit';", rule: BOUNDARIES, says: /Circular/ },
  { what: 'the database library that imports Nest', file: 'libs/db/src/ids.ts', code: "export { Injectable } from '@nestjs/common';", rule: BOUNDARIES, says: /@nestjs\/common/ },
  { what: 'the database library that imports the runtime', file: 'libs/db/src/ids.ts', code: "export { Clock } from '@vane/runtime';", rule: BOUNDARIES, says: /type:db/ },
  { what: 'an app that reads the clock', file: 'apps/sync-worker/src/main.ts', code: 'export const at = Date.now();', rule: 'no-restricted-syntax', says: /Clock/ },
  { what: 'a library that takes the time of its own', file: 'libs/runtime/src/health.ts', code: 'export const at = new Date();', rule: 'no-restricted-syntax', says: /Clock/ },
  { what: 'a library that reads the environment', file: 'libs/runtime/src/health.ts', code: "export const home = process.env['HOME'];", rule: 'no-restricted-properties', says: /config\.ts/ },
  { what: 'the config schema of a service that reads the environment', file: 'libs/adapters/src/github/config.ts', code: 'export const home = process.env.HOME;', rule: 'no-restricted-properties', says: /config\.ts/ },
  { what: 'a promise nobody waits for', file: 'libs/runtime/src/health.ts', code: 'export const go = (work: () => Promise<void>) => { work(); };', rule: '@typescript-eslint/no-floating-promises', says: /awaited/ },
  { what: 'a default export', file: 'libs/runtime/src/health.ts', code: 'export default 1;', rule: 'no-restricted-syntax', says: /by name/ },
  { what: 'a test that runs alone', file: 'libs/db/src/ids.spec.ts', code: "import { it } from '@jest/globals';\nit.only('alone', () => undefined);", rule: 'no-restricted-syntax', says: /Every test runs/ },
  { what: 'a test that is left out', file: 'libs/db/src/ids.spec.ts', code: "import { describe } from '@jest/globals';\ndescribe.skip.each([1])('out', () => undefined);", rule: 'no-restricted-syntax', says: /Every test runs/ },
];

const permitted: { what: string; file: string; code: string }[] = [
  { what: 'a service that uses the kit, the contracts, zod and files of its own', file: 'libs/adapters/src/github/config.ts', code: "export * from '@vane/kit';\nexport { label } from '@vane/contracts';\nexport { z } from 'zod';\nexport * from './events.js';\nexport { readFileSync } from 'node:fs';" },
  { what: 'a fake that uses Node and the real clock', file: 'libs/adapters/src/github/fake/server.ts', code: "export { createServer } from 'node:http';\nexport * from './state.js';\nexport const at = Date.now();" },
  { what: 'an app that names a type of the bus', file: 'apps/sync-worker/src/main.ts', code: "export type { JsMsg } from '@nats-io/jetstream';" },
  { what: 'an app that uses the libraries', file: 'apps/sync-worker/src/main.ts', code: "export * from '@vane/runtime';\nexport * from '@vane/db';\nexport { AdapterRegistry } from '@vane/adapters';" },
  { what: 'the clock that reads the clock', file: 'libs/runtime/src/clock.ts', code: 'export const at = new Date();' },
];

/** ESLint in one process for all cases: it loads its configuration as a module, which Jest's own loader cannot. */
const program = `
import { ESLint } from 'eslint';
import { text } from 'node:stream/consumers';
const eslint = new ESLint({ cwd: process.cwd() });
const answers = [];
for (const { file, code } of JSON.parse(await text(process.stdin))) {
  const [result] = await eslint.lintText(code, { filePath: file });
  answers.push(result.messages.map(({ ruleId, message }) => ({ ruleId, message })));
}
process.stdout.write(JSON.stringify(answers));
process.exit();
`;

async function lint(cases: { file: string; code: string }[]): Promise<Finding[][]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify(cases));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (!output.startsWith('[')) throw new Error(`ESLint did not answer:\n${errors}${output}`);
  return JSON.parse(output) as Finding[][];
}

describe('the rules of the house', () => {
  let findings: Finding[][] = [];
  beforeAll(async () => { findings = await lint([...violations, ...permitted]); }, 120_000);
  afterAll(() => { findings = []; });

  it.each(violations.map((violation, index) => ({ ...violation, index })))('refuse $what', ({ index, rule, says }) => {
    const matching = findings[index]!.filter((finding) => finding.ruleId === rule);
    expect(matching).not.toEqual([]);
    expect(matching.map(({ message }) => message).join('\n')).toMatch(says);
  });

  it.each(permitted.map((permission, index) => ({ ...permission, index })))('permit $what', ({ index }) => {
    expect(findings[violations.length + index]).toEqual([]);
  });
});

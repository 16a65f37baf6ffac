import { describe, expect, it } from '@jest/globals';
import * as contracts from '@vane/contracts';
import { APPS, type AppName, type Operation, type Signal } from '@vane/contracts';
import { operationSubject, signalSubject } from '@vane/runtime';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { natsConfiguration, permissionsOf } from './bus-permissions.js';

const apps = fileURLToPath(new URL('../../../apps', import.meta.url));
const exported = contracts as Record<string, unknown>;
const isOperation = (value: unknown): value is Operation => contracts.OPERATIONS.includes(value as Operation);
const isSignal = (value: unknown): value is Signal => contracts.SIGNALS.includes(value as Signal);

/** The program text of an app, without its tests. */
function sourcesOf(app: AppName): string[] {
  return readdirSync(join(apps, app, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.includes('fixtures/'))
    .map((file) => readFileSync(join(apps, app, 'src', file), 'utf8'));
}

/** What sources import from the contracts by name and use as a value. */
function importedValues(source: string): unknown[] {
  const names = [...source.matchAll(/import (?!type)\{([^}]*)\} from '@vane\/contracts'/g)].flatMap((match) => match[1]!.split(','));
  return names.map((name) => exported[name.trim().split(' as ')[0]!]);
}

describe.each(APPS)('%s', (app) => {
  const sources = sourcesOf(app);
  const permitted = permissionsOf(app, 'vane');

  it('may ask every operation of another app that its program names', () => {
    const asked = sources.flatMap(importedValues).filter(isOperation).filter(({ owner }) => owner !== app);
    expect(permitted.publish).toEqual(expect.arrayContaining(asked.map((operation) => operationSubject('vane', operation))));
  });

  it('may tell and hear the signals that its program tells and hears', () => {
    const named = (method: string) => sources.flatMap((source) => [...source.matchAll(new RegExp(`${method}\\((\\w+)`, 'g'))].map((match) => exported[match[1]!])).filter(isSignal);
    expect(permitted.publish).toEqual(expect.arrayContaining(named('publishSignal').map((signal) => signalSubject('vane', signal))));
    expect(permitted.subscribe).toEqual(expect.arrayContaining(named('onSignal').map((signal) => signalSubject('vane', signal))));
  });
});

it('the programs do name operations and signals, so the comparison compares something', () => {
  expect(sourcesOf('trigger-service').flatMap(importedValues).filter(isOperation)).toContain(contracts.getAccessToken);
  expect(sourcesOf('webhook-ingress').join('\n')).toContain('onSignal(subscriptionChanged');
});

it('an app that publishes nothing may publish nothing, not everything', () => {
  expect(permissionsOf('run-worker', 'vane').publish).toEqual([]);
  expect(natsConfiguration()).toContain('publish: { deny: ">" }');
});

import { describe, it } from '@jest/globals';
import type { Adapter } from '../adapter.js';
import { bindingCases } from './binding-cases.js';
import { configCases } from './config-cases.js';
import { payloadCases } from './payload-cases.js';
import { pullCases } from './pull-cases.js';
import { remoteCases } from './remote-cases.js';
import { revocationCases } from './revocation-cases.js';
import { signatureCases } from './signature-cases.js';
import { prepare, type Case, type Subject } from './subject.js';

export { readFixtures } from './read-fixtures.js';
export { CONFORMANCE_NOW, type Case, type Fixture, type PullRig, type RemoteRig, type RevocationRig, type Subject } from './subject.js';

/** Every promise one trigger type of an adapter must keep, as cases that any test runner can run. */
export function conformanceCases(adapter: Adapter, subject: Subject): Case[] {
  const prepared = prepare(adapter, subject);
  return [
    ...configCases(prepared), ...signatureCases(prepared), ...bindingCases(prepared), ...payloadCases(prepared), ...remoteCases(prepared),
    ...pullCases(prepared), ...revocationCases(prepared),
  ];
}

/**
 * Declares the conformance suite of one trigger type as jest tests and prints the cases that its capabilities leave
 * out. `sign` and `remote` must be independent of the adapter: what a service signs with, and a stand-in of it.
 */
export function describeConformance(adapter: Adapter, subject: Subject): void {
  const { scheme } = prepare(adapter, subject);
  const who = `${adapter.id} ${subject.triggerType} (${scheme.kind})`;
  describe(`${who} conforms`, () => {
    const cases = conformanceCases(adapter, subject);
    for (const { name, omitted, run } of cases) {
      if (omitted === undefined) it(name, run);
    }
    const left = cases.filter(({ omitted }) => omitted !== undefined).map(({ name, omitted }) => `  omitted: ${name} (${omitted})\n`);
    if (left.length > 0) process.stdout.write(`${who}\n${left.join('')}`);
  });
}

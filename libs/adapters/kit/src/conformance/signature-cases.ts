import assert from 'node:assert/strict';
import type { RawRequest } from '../request.js';
import type { HmacScheme, SharedSecretScheme } from '../scheme.js';
import { verify } from '../verify.js';
import { bytesOf, type Case, type Fixture, type Prepared } from './subject.js';

/** What the verification scheme must refuse, tried on every fixture. */
export function signatureCases(prepared: Prepared): Case[] {
  const { scheme, subject } = prepared;
  if (scheme.kind === 'none') return [{ name: 'signatures are checked', omitted: 'this config verifies nothing', run: () => undefined }];
  if (!subject.sign) {
    return [{ name: 'signatures are checked', run: () => assert.fail('Give `sign`: the headers the service proves itself with.') }];
  }
  return [...headerCases(prepared, scheme), ...secretCases(prepared), ...bodyCases(prepared), ...timeCases(prepared), storageCase(prepared, scheme)];
}

const accepted = ({ scheme, now }: Prepared, request: RawRequest, secrets: string[], index = 0): void =>
  assert.deepEqual(verify(scheme, request, secrets, now), { ok: true, secretIndex: index });

const refused = ({ scheme, now }: Prepared, request: RawRequest, secrets: string[]): void =>
  assert.equal(verify(scheme, request, secrets, now).ok, false, 'The request was accepted, but it must be refused.');

function headerCases(prepared: Prepared, scheme: HmacScheme | SharedSecretScheme): Case[] {
  const header = scheme.header.toLowerCase();
  const secret = prepared.secret(1);
  const changed = (name: string, change: (value: string) => string | string[] | undefined): Case =>
    onEach(prepared, name, (fixture) => {
      const request = prepared.request(fixture, secret);
      const value = request.headers[header];
      assert.ok(typeof value === 'string' && value !== '', `\`sign\` gives no header ${header}, which the scheme reads.`);
      refused(prepared, { ...request, headers: { ...request.headers, [header]: change(value) } }, [secret]);
    });
  return [
    onEach(prepared, 'a signed fixture is accepted', (fixture) => accepted(prepared, prepared.request(fixture, secret), [secret])),
    changed('a missing signature is refused', () => undefined),
    changed('an empty signature is refused', () => ''),
    changed('a signature that is only a prefix is refused', (value) => value.slice(0, prefixLength(scheme))),
    changed('a truncated signature is refused', (value) => value.slice(0, -1)),
    changed('a flipped signature is refused', (value) => flip(value)),
    changed('a duplicated signature is refused', (value) => [value, value]),
  ];
}

function secretCases(prepared: Prepared): Case[] {
  const [first, second] = [prepared.secret(1), prepared.secret(2)];
  return [
    onEach(prepared, 'a signature of another key is refused', (fixture) =>
      refused(prepared, prepared.request(fixture, second), [first])),
    onEach(prepared, 'two live secrets are both accepted', (fixture) => {
      accepted(prepared, prepared.request(fixture, first), [first, second], 0);
      accepted(prepared, prepared.request(fixture, second), [first, second], 1);
    }),
    onEach(prepared, 'without a secret everything is refused', (fixture) => {
      refused(prepared, prepared.request(fixture, first), []);
      refused(prepared, prepared.request(fixture, first), ['']);
    }),
  ];
}

function bodyCases(prepared: Prepared): Case[] {
  const name = 'another body is refused, also the same JSON written anew';
  if (prepared.scheme.kind !== 'hmac') return [{ name, omitted: 'the service does not sign the body', run: () => undefined }];
  const secret = prepared.secret(1);
  return [
    onEach(prepared, name, (fixture) => {
      const request = prepared.request(fixture, secret);
      for (const body of [rewritten(bytesOf(fixture)), Buffer.concat([bytesOf(fixture), Buffer.from('\n')])]) {
        refused(prepared, { ...request, body }, [secret]);
      }
    }),
  ];
}

function timeCases(prepared: Prepared): Case[] {
  const { scheme, now } = prepared;
  const names = ['a stale signature is refused', 'a signature of the future is refused', 'a missing timestamp is refused'] as const;
  const rule = scheme.kind === 'hmac' ? scheme.timestamp : undefined;
  if (!rule) return names.map((name) => ({ name, omitted: 'the service sends no timestamp', run: () => undefined }));
  const secret = prepared.secret(1);
  const beyond = (rule.toleranceSeconds + 1) * 1000;
  const shifted = (name: string, by: number): Case =>
    onEach(prepared, name, (fixture) =>
      refused(prepared, prepared.request(fixture, secret, new Date(now.getTime() + by)), [secret]));
  return [
    shifted(names[0], -beyond),
    shifted(names[1], beyond),
    onEach(prepared, names[2], (fixture) => {
      const request = prepared.request(fixture, secret);
      refused(prepared, { ...request, headers: { ...request.headers, [rule.header.toLowerCase()]: undefined } }, [secret]);
    }),
  ];
}

function storageCase(prepared: Prepared, scheme: HmacScheme | SharedSecretScheme): Case {
  return onEach(prepared, 'no signature and no secret is stored', (fixture) => {
    const secret = prepared.secret(1);
    const request = prepared.request(fixture, secret);
    const { headers } = prepared.stored(request);
    const signature = String(request.headers[scheme.header.toLowerCase()]);
    for (const [name, value] of Object.entries(headers)) {
      assert.ok(!value.includes(secret) && !value.includes(signature), `The stored header ${name} carries a credential.`);
    }
  });
}

function onEach({ subject }: Prepared, name: string, run: (fixture: Fixture) => void): Case {
  return {
    name,
    run: () => {
      assert.ok(subject.fixtures.length > 0, 'Give at least one fixture to try it on.');
      for (const fixture of subject.fixtures) {
        try {
          run(fixture);
        } catch (error) {
          throw new Error(`Fixture '${fixture.name}': ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      }
    },
  };
}

function prefixLength(scheme: HmacScheme | SharedSecretScheme): number {
  if (scheme.kind === 'shared-secret') return scheme.prefix?.length ?? 0;
  if (scheme.format.form === 'plain') return 0;
  return scheme.format.form === 'prefix' ? scheme.format.prefix.length : scheme.format.version.length + 1;
}

function flip(value: string): string {
  const at = value.length - 5;
  return value.slice(0, at) + (value[at] === 'a' ? 'b' : 'a') + value.slice(at + 1);
}

/** The same JSON in other bytes; for anything else, the body cut short. */
function rewritten(body: Uint8Array): Uint8Array {
  try {
    const plain = JSON.stringify(JSON.parse(Buffer.from(body).toString('utf8')));
    return Buffer.from(Buffer.from(plain).equals(body) ? ` ${plain}` : plain);
  } catch {
    return body.subarray(0, -1);
  }
}

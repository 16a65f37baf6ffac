import { describe, expect, it } from '@jest/globals';
import type { HeaderBinding } from './adapter.js';
import { boundVerifier, type BoundFacts } from './bindings.js';
import type { RawRequest } from './request.js';
import { compileVerifier } from './verify.js';

const SECRET = 'a-secret-of-some-length';
const BINDINGS: HeaderBinding[] = [{ header: 'x-channel-id', to: 'id' }, { header: 'x-resource-id', to: { aux: 'resourceId' } }];
const NOW = new Date('2030-01-01T00:00:00Z');
const known: BoundFacts = { id: 'sub_1', aux: { resourceId: 'r1' } };
const scheme = { kind: 'shared-secret', header: 'x-token' } as const;

function judge(headers: RawRequest['headers'], facts = known, bindings = BINDINGS) {
  const verify = boundVerifier(compileVerifier(scheme, [SECRET]), bindings, facts);
  return verify({ method: 'POST', headers: { 'x-token': SECRET, ...headers }, query: {}, body: new Uint8Array() }, NOW);
}

describe('facts of a subscription in headers', () => {
  it('must be what is known here, each of them', () => {
    expect(judge({ 'x-channel-id': 'sub_1', 'x-resource-id': 'r1' })).toEqual({ ok: true, secretIndex: 0 });
    const wrong = { ok: false, reason: 'wrong_binding' };
    expect(judge({ 'x-channel-id': 'sub_2', 'x-resource-id': 'r1' })).toEqual(wrong);
    expect(judge({ 'x-channel-id': 'sub_1', 'x-resource-id': 'r2' })).toEqual(wrong);
    expect(judge({ 'x-channel-id': 'sub_1' })).toEqual(wrong);
    expect(judge({ 'x-channel-id': '', 'x-resource-id': 'r1' })).toEqual(wrong);
    expect(judge({ 'x-channel-id': ['sub_1', 'sub_2'], 'x-resource-id': 'r1' })).toEqual(wrong);
  });

  it('are not compared before they are known: a first message may be sooner than the answer to our call', () => {
    for (const aux of [null, {}]) {
      expect(judge({ 'x-channel-id': 'sub_1', 'x-resource-id': 'whatever' }, { id: 'sub_1', aux }).ok).toBe(true);
      expect(judge({ 'x-channel-id': 'sub_2', 'x-resource-id': 'whatever' }, { id: 'sub_1', aux }).ok).toBe(false);
    }
  });

  it('are told nobody who does not have the secret, and stand in for none', () => {
    const said = { 'x-token': 'another', 'x-channel-id': 'sub_1', 'x-resource-id': 'r1' };
    expect(judge(said)).toEqual({ ok: false, reason: 'bad_signature' });
    expect(judge({ ...said, 'x-channel-id': 'sub_2' })).toEqual({ ok: false, reason: 'bad_signature' });
    expect(judge({}, known, [])).toEqual({ ok: true, secretIndex: 0 });
  });

  it('are read from no header that an object has by itself', () => {
    expect(judge({}, { id: 'sub_1', aux: null }, [{ header: 'constructor', to: 'id' }]).ok).toBe(false);
  });
});

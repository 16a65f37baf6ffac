import { describe, expect, it } from '@jest/globals';
import { newSecretOf, schemeOf, verify, type JsonObject, type NormalisedEvent } from '@vane/kit';
import { describeConformance } from '@vane/kit/conformance';
import { Webhook } from 'standardwebhooks';
import { contactCreated, hmacOf, messageId, standardHeaders } from './fixtures.js';
import { adapter } from './index.js';

const type = adapter.triggerTypes.webhook as (typeof adapter.triggerTypes)[string];
const now = new Date('2025-11-23T10:00:00.000Z');
const wantOf = (config: JsonObject): JsonObject => type.plan(type.config.parse(config)).want;
const seconds = (at: Date): string => String(Math.floor(at.getTime() / 1000));

describeConformance(adapter, {
  triggerType: 'webhook',
  config: { scheme: 'standard-webhooks' },
  fixtures: [
    {
      name: 'contact created',
      body: contactCreated,
      events: [{ type: 'contact.created', dedupeKey: messageId, occurredAt: '2022-11-03T20:26:10.344522Z' }],
    },
  ],
  sign: standardHeaders,
});

describeConformance(adapter, {
  triggerType: 'webhook',
  config: { scheme: 'hmac', header: 'X-Signature', prefix: 'sha256=', idPointer: '/data/id', typePointer: '/data/type' },
  fixtures: [
    { name: 'signed body', body: contactCreated, events: [{ type: 'contact', dedupeKey: '1f81eb52-5198-4599-803e-771906343485' }] },
  ],
  sign: (body, secret) => ({ 'X-Signature': `sha256=${hmacOf('sha256', 'hex', secret, body)}` }),
});

describeConformance(adapter, {
  triggerType: 'webhook',
  config: {
    scheme: 'hmac',
    header: 'x-mac',
    hash: 'sha512',
    encoding: 'base64',
    timestampHeader: 'x-sent-at',
    timestampUnit: 'ms',
    timestampToleranceSeconds: 60,
    signedContent: 'v0:{timestamp}:{id}:{body}',
    idHeader: 'x-id',
    typeHeader: 'x-event',
    bodyFormat: 'form',
  },
  fixtures: [
    {
      name: 'form with a timestamp',
      headers: { 'X-Event': 'order' },
      body: 'item=a&item=b&note=J%C3%BCrgen+%26+Co',
      events: [{ type: 'order', dedupeKey: 'evt-7', payload: { item: ['a', 'b'], note: 'Jürgen & Co' } }],
    },
  ],
  sign: (body, secret, at) => ({
    'X-Id': 'evt-7',
    'X-Sent-At': String(at.getTime()),
    'X-Mac': hmacOf('sha512', 'base64', secret, `v0:${at.getTime()}:evt-7:`, body),
  }),
});

describeConformance(adapter, {
  triggerType: 'webhook',
  config: { scheme: 'shared-secret', header: 'Authorization', prefix: 'Bearer ', bodyFormat: 'text' },
  fixtures: [{ name: 'text', body: 'disk full on ä\n', events: [{ type: 'webhook', dedupeKey: null, payload: 'disk full on ä\n' }] }],
  sign: (_body, secret) => ({ Authorization: `Bearer ${secret}` }),
});

describeConformance(adapter, {
  triggerType: 'webhook',
  config: { scheme: 'none' },
  fixtures: [{ name: 'anything', body: '[1]', events: [{ type: 'webhook', dedupeKey: null, payload: [1] }] }],
});

describe('Standard Webhooks against its reference library', () => {
  const want = wantOf({ scheme: 'standard-webhooks' });
  const secret = newSecretOf(type, want, (bytes) => new Uint8Array(bytes).fill(251));

  it('makes secrets the library reads', () => {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(new Webhook(secret).sign('a', now, 'b')).toMatch(/^v1,/);
  });

  it('accepts and refuses what the library accepts and refuses', () => {
    const current = new Date();
    const body = Buffer.from(contactCreated);
    for (const shift of [-3600, -301, -299, 0, 299, 301, 3600]) {
      const headers = standardHeaders(body, secret, new Date(current.getTime() + shift * 1000));
      let theirs = true;
      try {
        new Webhook(secret).verify(body, headers);
      } catch {
        theirs = false;
      }
      const ours = verify(schemeOf(type, want), { method: 'POST', headers, query: {}, body }, [secret], current).ok;
      expect({ shift, accepted: ours }).toEqual({ shift, accepted: theirs });
    }
  });
});

describe('config', () => {
  const complaints = (config: JsonObject): string[] => {
    const result = type.config.safeParse(config);
    return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
  };
  it.each<[JsonObject, RegExp]>([
    [{}, /^scheme /],
    [{ scheme: 'md5' }, /^scheme /],
    [{ scheme: 'hmac' }, /^header is needed for the scheme hmac/],
    [{ scheme: 'shared-secret' }, /^header is needed/],
    [{ scheme: 'shared-secret', header: 'x', timestampHeader: 'y' }, /^timestampHeader means nothing under the scheme shared-secret/],
    [{ scheme: 'none', header: 'x' }, /^header means nothing under the scheme none/],
    [{ scheme: 'standard-webhooks', hash: 'sha1' }, /^hash means nothing/],
    [{ scheme: 'hmac', header: 'bad header' }, /^header is not a header name/],
    [{ scheme: 'hmac', header: 'x', timestampUnit: 's' }, /^timestampUnit needs timestampHeader/],
    [{ scheme: 'hmac', header: 'x', timestampHeader: 't', timestampToleranceSeconds: 0 }, /^timestampToleranceSeconds /],
    [{ scheme: 'hmac', header: 'x', signedContent: '{timestamp}.{body}' }, /^signedContent needs timestampHeader/],
    [{ scheme: 'hmac', header: 'x', signedContent: '{id}.{body}' }, /^signedContent needs idHeader/],
    [{ scheme: 'hmac', header: 'x', signedContent: 'constant' }, /^signedContent must contain \{body\} once/],
    [{ scheme: 'hmac', header: 'x', signedContent: '{body}{url}' }, /^signedContent knows .* not \{url\}/],
    [{ scheme: 'hmac', header: 'x', idHeader: 'X' }, /^idHeader is the header of the secret/],
    [{ scheme: 'none', idHeader: 'Cookie' }, /^idHeader is a header that carries credentials/],
    [{ scheme: 'none', idHeader: 'a', idPointer: '/a' }, /^idPointer cannot be given together/],
    [{ scheme: 'none', typeHeader: 'a', typePointer: '/a' }, /^typePointer cannot be given together/],
    [{ scheme: 'none', idPointer: 'id' }, /^idPointer is not a JSON Pointer/],
    [{ scheme: 'none', idPointer: '' }, /^idPointer must name something/],
    [{ scheme: 'none', idPointer: '/id', bodyFormat: 'text' }, /^idPointer needs a body of json or form/],
  ])('%j is refused', (config, expected) => expect(complaints(config)[0]).toMatch(expected));

  it.each<[JsonObject, string]>([
    [{ scheme: 'standard-webhooks' }, 'Posts of json, signed by Standard Webhooks'],
    [{ scheme: 'hmac', header: 'X-Sig' }, 'Posts of json, signed in x-sig'],
    [{ scheme: 'shared-secret', header: 'x-key', bodyFormat: 'form' }, 'Posts of form, with a shared secret in x-key'],
    [{ scheme: 'none' }, 'Posts of json, unverified'],
  ])('%j reads as %s', (config, expected) => expect(type.summary(type.config.parse(config))).toBe(expected));
});

describe('events', () => {
  const eventOf = (config: JsonObject, body: string, headers: Record<string, string> = {}): NormalisedEvent => {
    const [event] = type.webhook.normalise!({ headers, body: Buffer.from(body), receivedAt: now.toISOString() }, wantOf(config));
    return event as NormalisedEvent;
  };

  it('keep apart ids that only differ beyond double precision', () => {
    const keyOf = (id: string) => eventOf({ scheme: 'none', idPointer: '/id' }, `{"id":${id}}`).dedupeKey;
    expect([keyOf('12345678901234567890'), keyOf('12345678901234567891')]).toEqual(['12345678901234567890', '12345678901234567891']);
  });

  it.each(['{}', '{"id":null}', '{"id":""}', '{"id":{"a":1}}', '{"id":true}', '[]'])('have no identity in %s', (body) => {
    expect(eventOf({ scheme: 'none', idPointer: '/id' }, body).dedupeKey).toBeNull();
  });

  it('take a name of their own place over that of Standard Webhooks', () => {
    const config = { scheme: 'standard-webhooks', idPointer: '/key', typeHeader: 'x-type' };
    const body = '{"key":"k","type":"t","timestamp":"yesterday"}';
    expect(eventOf(config, body, { 'webhook-id': 'w', 'x-type': 'h' })).toMatchObject({ type: 'h', dedupeKey: 'k', occurredAt: null });
  });

  it('of a form may name fields as they like', () => {
    const { payload } = eventOf({ scheme: 'none', bodyFormat: 'form' }, '__proto__=1&constructor=2');
    expect(Object.entries(payload as JsonObject)).toEqual([['__proto__', '1'], ['constructor', '2']]);
  });

  it.each(['', '{', 'a=b'])('are not made of %j where JSON is due', (body) => {
    expect(() => eventOf({ scheme: 'none' }, body)).toThrow('The body is not JSON: let the sender send JSON');
  });
});

it('a timestamp header alone is signed together with the body', () => {
  const want = wantOf({ scheme: 'hmac', header: 'x-sig', timestampHeader: 'x-time' });
  const body = Buffer.from('{}');
  const judged = (signature: string) =>
    verify(schemeOf(type, want), { method: 'POST', headers: { 'x-sig': signature, 'x-time': seconds(now) }, query: {}, body }, ['k'], now).ok;
  expect(judged(hmacOf('sha256', 'hex', 'k', `${seconds(now)}.`, body))).toBe(true);
  expect(judged(hmacOf('sha256', 'hex', 'k', body))).toBe(false);
});

import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { sign as octokitSign } from '@octokit/webhooks-methods';
import { compileVerifier, normalisedEvent, schemeOf, storedHeaders, verify, type RawRequest } from '@vane/kit';
import { adapter } from './index.js';

const type = adapter.triggerTypes['repository']!;
const want = { events: ['issues', 'push'] };
const scheme = schemeOf(type, want);
const now = new Date('2026-01-05T10:00:00Z');

describe('GitHub signatures', () => {
  it('accepts the example of the documentation', () => {
    const body = Buffer.from('Hello, World!');
    const documented = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const request: RawRequest = { method: 'POST', headers: { 'x-hub-signature-256': documented }, query: {}, body };
    expect(verify(scheme, request, ["It's a Secret to Everybody"], now)).toEqual({ ok: true, secretIndex: 0 });
  });

  it('refuses the empty signature some compatible servers send without a secret', () => {
    const request: RawRequest = { method: 'POST', headers: { 'x-hub-signature-256': 'sha256=' }, query: {}, body: Buffer.from('{}') };
    expect(verify(scheme, request, ['secret'], now)).toMatchObject({ ok: false });
  });

  it('does not take the SHA-1 signature for proof', () => {
    const sha1 = `sha1=${createHmac('sha1', 'secret').update('{}').digest('hex')}`;
    const request: RawRequest = { method: 'POST', headers: { 'x-hub-signature': sha1 }, query: {}, body: Buffer.from('{}') };
    expect(verify(scheme, request, ['secret'], now)).toEqual({ ok: false, reason: 'missing_signature' });
  });
});

type Example = { name: string; examples: unknown[] };
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as Example[];

describe('Every example payload of octokit', () => {
  const secret = "It's a Secret to Everybody";
  const verifier = compileVerifier(scheme, [secret]);
  const payloads = examples.flatMap(({ name, examples: all }) => all.map((payload) => ({ name, payload })));

  it('is verified when octokit signed it, refused when a byte differs, and becomes an event', async () => {
    expect(payloads.length).toBeGreaterThan(300);
    for (const [index, { name, payload }] of payloads.entries()) {
      const text = JSON.stringify(payload, null, index % 3);
      const headers = {
        'content-type': 'application/json',
        'x-github-event': name,
        'x-github-delivery': `guid-${index}`,
        'x-hub-signature-256': await octokitSign(secret, text),
      };
      const request: RawRequest = { method: 'POST', headers, query: {}, body: Buffer.from(text) };
      expect(verifier(request, now)).toEqual({ ok: true, secretIndex: 0 });
      const flipped = Buffer.from(text);
      const at = (index * 7919) % flipped.length;
      flipped[at] = flipped[at]! ^ 1;
      expect(verifier({ ...request, body: flipped }, now)).toEqual({ ok: false, reason: 'bad_signature' });

      const stored = { headers: storedHeaders(type, want, headers), body: request.body, receivedAt: now.toISOString() };
      const [event, ...more] = type.webhook.normalise!(stored, want);
      expect(more).toEqual([]);
      expect(normalisedEvent.parse(event)).toEqual({ type: name, dedupeKey: `guid-${index}`, occurredAt: null, payload });
    }
  });
});

describe('GitHub deliveries', () => {
  const normalise = (headers: Record<string, string>, body: string) =>
    type.webhook.normalise!({ headers, body: Buffer.from(body), receivedAt: now.toISOString() }, want);

  it('are understood as a form too', () => {
    const body = new URLSearchParams({ payload: '{"action":"opened","title":"ü & +"}' }).toString();
    const [event] = normalise({ 'content-type': 'application/x-www-form-urlencoded', 'x-github-event': 'issues' }, body);
    expect(event).toEqual({ type: 'issues', dedupeKey: null, occurredAt: null, payload: { action: 'opened', title: 'ü & +' } });
  });

  it.each(['[]', '"text"', 'null', '', 'payload=%7B%7D'])('are unprocessable with the body %s', (body) => {
    expect(() => normalise({ 'content-type': 'application/json', 'x-github-event': 'push' }, body)).toThrow('not a JSON object');
  });

  it('are unprocessable without the name of the event', () => {
    expect(() => normalise({ 'content-type': 'application/json' }, '{}')).toThrow('x-github-event');
  });
});

describe('A repository trigger', () => {
  const plan = (repository: string, events: string[]) => type.plan(type.config.parse({ repository, events }));

  it('names its resource in lower case, so that spellings share one webhook', () => {
    expect(plan(' Octocat/Hello-World ', ['push'])).toEqual(plan('octocat/hello-world', ['push', 'push']));
  });

  it('wants each event once, in order, and lets * swallow the rest', () => {
    expect(plan('a/b', ['push', 'issues', 'push']).want).toEqual({ events: ['issues', 'push'] });
    expect(plan('a/b', ['push', '*']).want).toEqual({ events: ['*'] });
  });

  it('widens a shared webhook to the union', () => {
    expect(type.union?.([{ events: ['push'] }, { events: ['issues'] }])).toEqual({ events: ['issues', 'push'] });
    expect(type.union?.([{ events: ['push'] }, { events: ['*'] }])).toEqual({ events: ['*'] });
  });

  it('takes only its own events from the shared webhook', () => {
    const event = { type: 'issues', dedupeKey: null, occurredAt: null, payload: {} };
    const matches = (events: string[]) => type.matches?.(type.config.parse({ repository: 'a/b', events }), event);
    expect([matches(['issues']), matches(['*']), matches(['push'])]).toEqual([true, true, false]);
  });

  it.each(['octocat', 'octocat/', '/hello', 'octocat/hello/world', 'octocat/..', 'https://github.com/octocat/hello', 'octo cat/x', 'a/b?c'])(
    'refuses %s as a repository',
    (repository) => {
      const result = type.config.safeParse({ repository, events: ['push'] });
      expect(result.error?.issues[0]?.message).toContain('owner/name');
    },
  );

  it('refuses events that cannot be', () => {
    const refused = (events: unknown) => !type.config.safeParse({ repository: 'a/b', events }).success;
    expect([refused([]), refused(['Push']), refused(['ping']), refused('push'), refused(['a b'])]).toEqual([true, true, true, true, true]);
  });
});

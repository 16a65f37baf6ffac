import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { RawRequest } from './request.js';
import type { HmacScheme, SharedSecretScheme, VerificationScheme, Verdict } from './scheme.js';
import { compileVerifier, verify } from './verify.js';

const now = new Date('2025-11-23T10:00:00.000Z');
const seconds = Math.floor(now.getTime() / 1000);
const body = Buffer.from('{"n": 1,  "é": "ü"}\n');

const github: HmacScheme = {
  kind: 'hmac',
  hash: 'sha256',
  header: 'X-Hub-Signature-256',
  key: { as: 'utf8' },
  encoding: 'hex',
  format: { form: 'prefix', prefix: 'sha256=' },
  signed: [{ part: 'body' }],
};
const standard: HmacScheme = {
  kind: 'hmac',
  hash: 'sha256',
  header: 'webhook-signature',
  key: { as: 'base64', prefix: 'whsec_' },
  encoding: 'base64',
  format: { form: 'versioned-list', version: 'v1' },
  signed: [{ header: 'webhook-id' }, { literal: '.' }, { header: 'webhook-timestamp' }, { literal: '.' }, { part: 'body' }],
  timestamp: { header: 'webhook-timestamp', unit: 's', toleranceSeconds: 300 },
};
const slack: HmacScheme = {
  ...github,
  header: 'x-slack-signature',
  format: { form: 'prefix', prefix: 'v0=' },
  signed: [{ literal: 'v0:' }, { header: 'x-slack-request-timestamp' }, { literal: ':' }, { part: 'body' }],
  timestamp: { header: 'x-slack-request-timestamp', unit: 's', toleranceSeconds: 300 },
};
const shared: SharedSecretScheme = { kind: 'shared-secret', header: 'X-Gitlab-Token' };

const post = (headers: RawRequest['headers'], bytes: Uint8Array = body): RawRequest => ({ method: 'POST', headers, query: {}, body: bytes });
const reasonOf = (verdict: Verdict): string => (verdict.ok ? `accepted by ${verdict.secretIndex}` : verdict.reason);
const hexOf = (secret: string, bytes: Uint8Array | string = body): string => createHmac('sha256', secret).update(bytes).digest('hex');

const keyText = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const whsec = `whsec_${keyText}`;
const standardHeaders = (secretBase64 = keyText, at: number | string = seconds, id = 'msg_1', bytes: Uint8Array = body) => ({
  'webhook-id': id,
  'webhook-timestamp': String(at),
  'webhook-signature': `v1,${createHmac('sha256', Buffer.from(secretBase64, 'base64')).update(`${id}.${at}.`).update(bytes).digest('base64')}`,
});

describe('golden vectors', () => {
  it('accepts the example of the GitHub documentation', () => {
    const headers = { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' };
    expect(verify(github, post(headers, Buffer.from('Hello, World!')), ["It's a Secret to Everybody"], now)).toEqual({ ok: true, secretIndex: 0 });
  });

  it('accepts the example of the Slack documentation at its time', () => {
    const text =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const headers = {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    };
    const judge = compileVerifier(slack, ['8f742231b10e8888abcd99yyyzzz85a5']);
    expect(reasonOf(judge(post(headers, Buffer.from(text)), new Date(1531420618_000)))).toBe('accepted by 0');
    expect(reasonOf(judge(post(headers, Buffer.from(text)), now))).toBe('stale_timestamp');
  });

  it('accepts the example of the Standard Webhooks reference libraries', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const request = post(headers, Buffer.from('{"test": 2432232314}'));
    expect(reasonOf(verify(standard, request, [whsec], new Date(1614265330_000)))).toBe('accepted by 0');
  });
});

describe('a signature in a header', () => {
  const secret = 'correct horse';
  const good = hexOf(secret);
  const flipped = (good[0] === '0' ? '1' : '0') + good.slice(1);
  const table: [string, RawRequest['headers'], string][] = [
    ['as signed', { 'x-hub-signature-256': `sha256=${good}` }, 'accepted by 0'],
    ['in upper case hex', { 'x-hub-signature-256': `sha256=${good.toUpperCase()}` }, 'accepted by 0'],
    ['missing', {}, 'missing_signature'],
    ['undefined', { 'x-hub-signature-256': undefined }, 'missing_signature'],
    ['empty', { 'x-hub-signature-256': '' }, 'missing_signature'],
    ['only a prefix', { 'x-hub-signature-256': 'sha256=' }, 'malformed_signature'],
    ['without its prefix', { 'x-hub-signature-256': good }, 'malformed_signature'],
    ['under another prefix', { 'x-hub-signature-256': `sha512=${good}` }, 'malformed_signature'],
    ['truncated', { 'x-hub-signature-256': `sha256=${good.slice(0, -2)}` }, 'malformed_signature'],
    ['too long', { 'x-hub-signature-256': `sha256=${good}00` }, 'malformed_signature'],
    ['with a digit that is none', { 'x-hub-signature-256': `sha256=g${good.slice(1)}` }, 'malformed_signature'],
    ['with a blank after it', { 'x-hub-signature-256': `sha256=${good} ` }, 'malformed_signature'],
    ['with a bit flipped', { 'x-hub-signature-256': `sha256=${flipped}` }, 'bad_signature'],
    ['sent twice', { 'x-hub-signature-256': [`sha256=${good}`, `sha256=${good}`] }, 'duplicate_signature'],
    ['sent twice and joined by a proxy', { 'x-hub-signature-256': `sha256=${good}, sha256=${good}` }, 'malformed_signature'],
    ['made with another key', { 'x-hub-signature-256': `sha256=${hexOf('other')}` }, 'bad_signature'],
  ];
  it.each(table)('%s', (_name, headers, expected) => {
    expect(reasonOf(verify(github, post(headers), [secret], now))).toBe(expected);
  });

  it('covers the bytes as sent: the same JSON written anew is refused', () => {
    const anew = Buffer.from(JSON.stringify(JSON.parse(body.toString())));
    expect(anew.equals(body)).toBe(false);
    expect(reasonOf(verify(github, post({ 'x-hub-signature-256': `sha256=${good}` }, anew), [secret], now))).toBe('bad_signature');
  });

  it('is not found on the prototype of the headers', () => {
    expect(reasonOf(verify({ ...github, header: 'constructor' }, post({}), [secret], now))).toBe('missing_signature');
  });
});

describe('secrets', () => {
  const headers = { 'x-hub-signature-256': `sha256=${hexOf('new')}` };
  it.each<[string, string[], string]>([
    ['none', [], 'no_secret'],
    ['an empty one', [''], 'no_secret'],
    ['an empty one and the right one', ['', 'new'], 'accepted by 1'],
    ['the right one first', ['new', 'old'], 'accepted by 0'],
    ['the right one last', ['older', 'old', 'new'], 'accepted by 2'],
    ['only others', ['older', 'old'], 'bad_signature'],
  ])('%s', (_name, secrets, expected) => {
    expect(reasonOf(verify(github, post(headers), secrets, now))).toBe(expected);
  });

  it('an empty secret does not accept what anybody can sign with an empty key', () => {
    const forged = { 'x-hub-signature-256': `sha256=${hexOf('')}` };
    expect(reasonOf(verify(github, post(forged), ['', 'real'], now))).toBe('bad_signature');
  });

  it.each<[string, string]>([
    ['whsec_', 'no_secret'],
    ['whsec_not base64!', 'no_secret'],
    [`whsec_${keyText}=`, 'no_secret'],
    [whsec, 'accepted by 0'],
    [keyText, 'accepted by 0'],
  ])('%s as a Standard Webhooks secret', (secret, expected) => {
    expect(reasonOf(verify(standard, post(standardHeaders()), [secret], now))).toBe(expected);
  });

  it('the text of a base64 secret is not its key', () => {
    const asText = Buffer.from(whsec).toString('base64');
    expect(reasonOf(verify(standard, post(standardHeaders(asText)), [whsec], now))).toBe('bad_signature');
  });
});

describe('timestamps', () => {
  const judged = (at: number | string, rule = standard.timestamp): string =>
    reasonOf(verify({ ...standard, timestamp: rule }, post(standardHeaders(keyText, at)), [whsec], now));
  it.each<[number | string, string]>([
    [seconds, 'accepted by 0'],
    [seconds - 300, 'accepted by 0'],
    [seconds - 301, 'stale_timestamp'],
    [seconds + 300, 'accepted by 0'],
    [seconds + 301, 'future_timestamp'],
    ['', 'missing_timestamp'],
    ['NaN', 'malformed_timestamp'],
    ['-1', 'malformed_timestamp'],
    [`${seconds}.5`, 'malformed_timestamp'],
    [` ${seconds}`, 'malformed_timestamp'],
    ['1e9', 'malformed_timestamp'],
    ['99999999999999999999', 'malformed_timestamp'],
    [now.toISOString(), 'malformed_timestamp'],
  ])('%s is %s', (at, expected) => expect(judged(at)).toBe(expected));

  it('are read in milliseconds where the scheme says so', () => {
    const rule = { header: 'webhook-timestamp', unit: 'ms', toleranceSeconds: 1 } as const;
    expect(judged(now.getTime() - 1000, rule)).toBe('accepted by 0');
    expect(judged(now.getTime() - 1001, rule)).toBe('stale_timestamp');
    expect(judged(now.getTime() + 1001, rule)).toBe('future_timestamp');
  });

  it('are refused when repeated', () => {
    const headers = { ...standardHeaders(), 'webhook-timestamp': [String(seconds), String(seconds)] };
    expect(reasonOf(verify(standard, post(headers), [whsec], now))).toBe('malformed_timestamp');
  });

  it('are refused when the clock itself is broken', () => {
    expect(reasonOf(verify(standard, post(standardHeaders()), [whsec], new Date(Number.NaN)))).toBe('stale_timestamp');
  });
});

describe('Standard Webhooks lists', () => {
  const headers = standardHeaders();
  const good = headers['webhook-signature'];
  const judged = (signature: string, more: RawRequest['headers'] = {}): string =>
    reasonOf(verify(standard, post({ ...headers, 'webhook-signature': signature, ...more }), [whsec], now));
  const other = `v1,${Buffer.alloc(32, 7).toString('base64')}`;
  it.each<[string, string, string]>([
    ['any entry may match', `${other} ${good}`, 'accepted by 0'],
    ['entries of other versions are passed over', `v1a,AAAA v2,BBBB ${good}`, 'accepted by 0'],
    ['a right signature under another version does not count', good.replace('v1,', 'v2,'), 'malformed_signature'],
    ['a version that only starts alike does not count', good.replace('v1,', 'v1a,'), 'malformed_signature'],
    ['a version with another separator does not count', good.replace('v1,', 'v1='), 'malformed_signature'],
    ['without a version', good.slice(3), 'malformed_signature'],
    ['without padding', good.replace(/=+$/, ''), 'malformed_signature'],
    ['in the URL alphabet', `v1,${Buffer.alloc(32, 255).toString('base64url')}=`, 'malformed_signature'],
    ['with bits beyond the last byte', `v1,${Buffer.alloc(32).toString('base64').replace('A=', 'B=')}`, 'malformed_signature'],
    ['only wrong ones', `${other} ${other}`, 'bad_signature'],
    ['blanks alone', '   ', 'malformed_signature'],
  ])('%s', (_name, signature, expected) => expect(judged(signature)).toBe(expected));

  it.each([undefined, '', ['msg_1', 'msg_1']])('a signed id that is %p is refused', (id) => {
    expect(judged(good, { 'webhook-id': id })).toBe('missing_signed_header');
  });

  it('another id than the signed one is refused', () => expect(judged(good, { 'webhook-id': 'msg_2' })).toBe('bad_signature'));

  it('characters no header byte can be are refused instead of folded', () => {
    expect(judged(good, { 'webhook-id': 'msg_\u0131' })).toBe('missing_signed_header');
  });
});

describe('shared secrets', () => {
  const judged = (value: string | string[] | undefined, secrets = ['s3cret'], prefix?: string): string =>
    reasonOf(verify({ ...shared, prefix }, post({ 'x-gitlab-token': value }), secrets, now));
  it.each<[string, string | string[] | undefined, string]>([
    ['the secret', 's3cret', 'accepted by 0'],
    ['missing', undefined, 'missing_signature'],
    ['empty', '', 'missing_signature'],
    ['twice', ['s3cret', 's3cret'], 'duplicate_signature'],
    ['shorter', 's3cre', 'bad_signature'],
    ['longer', 's3cret1', 'bad_signature'],
    ['in another case', 'S3CRET', 'bad_signature'],
    ['of another length entirely', 'x'.repeat(10_000), 'bad_signature'],
  ])('%s', (_name, value, expected) => expect(judged(value)).toBe(expected));

  it('come after their prefix', () => {
    expect(judged('Bearer s3cret', ['old', 's3cret'], 'Bearer ')).toBe('accepted by 1');
    expect(judged('s3cret', ['s3cret'], 'Bearer ')).toBe('malformed_signature');
    expect(judged('Bearer ', ['s3cret'], 'Bearer ')).toBe('malformed_signature');
    expect(judged('bearer s3cret', ['s3cret'], 'Bearer ')).toBe('malformed_signature');
  });

  it('are compared as the bytes on the wire', () => {
    const onTheWire = Buffer.from('pässwörd', 'utf8').toString('latin1');
    expect(judged(onTheWire, ['pässwörd'])).toBe('accepted by 0');
    expect(judged('s\u0133cret', ['s3cret'])).toBe('malformed_signature');
  });

  it('that are empty or absent accept nothing', () => {
    expect(judged('', [''])).toBe('no_secret');
    expect(judged('x', [])).toBe('no_secret');
  });
});

describe('schemes', () => {
  it('none accepts whatever comes and names no secret', () => {
    expect(verify({ kind: 'none' }, post({}), [], now)).toEqual({ ok: true, secretIndex: -1 });
  });

  it.each<[string, unknown]>([
    ['of an unknown kind', { kind: 'jwt' }],
    ['with an unknown hash', { ...github, hash: 'md5' }],
    ['with an unknown encoding', { ...github, encoding: 'base85' }],
    ['that leave the body unsigned', { ...github, signed: [{ header: 'x-id' }] }],
  ])('%s cannot be compiled', (_name, scheme) => {
    expect(() => compileVerifier(scheme as VerificationScheme, ['s'])).toThrow(TypeError);
  });

  it.each(['sha1', 'sha256', 'sha512'] as const)('%s in base64 is accepted at its own length only', (hash) => {
    const scheme: HmacScheme = { ...github, hash, encoding: 'base64', format: { form: 'plain' } };
    const signature = createHmac(hash, 'k').update(body).digest('base64');
    expect(reasonOf(verify(scheme, post({ 'x-hub-signature-256': signature }), ['k'], now))).toBe('accepted by 0');
    const shorter = createHmac(hash, 'k').update(body).digest().subarray(1).toString('base64');
    expect(reasonOf(verify(scheme, post({ 'x-hub-signature-256': shorter }), ['k'], now))).toBe('malformed_signature');
  });
});

import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { SecretMatcher } from './matcher.js';

const secret = { name: 'the canary', value: 'a+/?= é"' + randomBytes(24).toString('base64') };
const matcher = new SecretMatcher([{ name: 'another', value: randomBytes(24).toString('hex') }, secret]);
const found = (content: Buffer | string) => [...new Set(matcher.find(Buffer.from(content as string)).map((match) => match.secret))];
/** Random neighbours of every length, so that the secret stands at every place of a group of three bytes. */
const among = (encode: (bytes: Buffer) => string) =>
  Array.from({ length: 9 }, (_, index) =>
    encode(Buffer.concat([randomBytes(index % 3 === 0 ? 30 + index : index), Buffer.from(secret.value), randomBytes(Math.floor(index / 3))])));

const encodings: Record<string, (bytes: Buffer) => string> = {
  base64: (bytes) => bytes.toString('base64'),
  'base64 without padding': (bytes) => bytes.toString('base64').replace(/=+$/, ''),
  base64url: (bytes) => bytes.toString('base64url'),
  hex: (bytes) => bytes.toString('hex'),
  'HEX': (bytes) => bytes.toString('hex').toUpperCase(),
};

test.each(Object.keys(encodings))('finds a secret in %s, whatever stands before and after it', (name) => {
  for (const text of among(encodings[name]!)) expect(found(text)).toEqual(['the canary']);
});

test('finds a secret that is plain, in a URL, in a form and in JSON', () => {
  const { value } = secret;
  for (const text of [
    `x${value}y`, `?a=${encodeURIComponent(value)}&b`, encodeURIComponent(value).replace(/%../g, (code) => code.toLowerCase()),
    new URLSearchParams({ a: value }).toString(), JSON.stringify({ a: [value] }),
  ]) expect(found(text)).toEqual(['the canary']);
});

test('finds a secret at the very beginning and end, and nothing where there is none', () => {
  expect(found(secret.value)).toEqual(['the canary']);
  expect(found(secret.value.slice(1))).toEqual([]);
  expect(found(secret.value.slice(0, -1))).toEqual([]);
  for (let times = 0; times < 20; times += 1) expect(found(randomBytes(100_000))).toEqual([]);
});

test('names the secret, never its value', () => {
  expect(JSON.stringify(matcher.find(Buffer.from(secret.value)))).not.toContain(secret.value.slice(8));
});

import { expect, it } from '@jest/globals';
import { createECDH, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commonSettings, keyRingSettings, readSettings } from './config.js';
import { refuseDefaultKeys, weakness } from './default-keys.js';

const ring = (key: Buffer) => `k1:${key.toString('base64')}`;
const rfc6979 = Buffer.from('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721', 'hex');

it.each([
  ['equal bytes', Buffer.alloc(32, 7)],
  ['zeros', Buffer.alloc(32)],
  ['ascending bytes', Buffer.from(Array.from({ length: 32 }, (_, index) => index + 1))],
  ['descending bytes', Buffer.from(Array.from({ length: 32 }, (_, index) => 200 - 3 * index))],
  ['a short pattern repeated', Buffer.from('0123456789abcdef'.repeat(4), 'hex')],
  ['a sentence', Buffer.from('change me please, I am no secret')],
  ['16 bytes', randomBytes(16)],
  ['a published key', rfc6979],
])('%s are refused in every setting that holds keys, by a sentence without them', (_what, key) => {
  const settings = { VANE_KEYS_OAUTH: `${ring(randomBytes(32))},k0:${key.toString('base64')}`, VANE_INGRESS_KEY_SECRET: key.toString('base64'), VANE_BOOTSTRAP_TOKEN: `vat_${key.toString('base64url')}` };
  for (const [name, value] of Object.entries(settings)) {
    const refuse = () => refuseDefaultKeys({ [name]: value });
    expect(refuse).toThrow(name);
    expect(refuse).not.toThrow(key.toString('base64').slice(0, 8));
  }
});

it('random keys are taken, as are the halves of a random pair', () => {
  for (let round = 0; round < 2_000; round += 1) expect(weakness(randomBytes(32))).toBeUndefined();
  const pair = createECDH('prime256v1');
  expect(weakness(pair.generateKeys())).toBeUndefined();
  refuseDefaultKeys({ VANE_KEYS_DATA_PUBLIC: ring(pair.getPublicKey()), VANE_BOOTSTRAP_TOKEN: `vat_${randomBytes(32).toString('base64url')}`, PORT: 3000 });
});

it('the public half of a published pair is refused too', () => {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(rfc6979);
  expect(weakness(pair.getPublicKey())).toContain('published');
});

it('a ring in a file is looked at as well', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vane-keys-'));
  try {
    const path = join(dir, 'oauth.ring');
    writeFileSync(path, ring(Buffer.alloc(32, 1)));
    expect(() => refuseDefaultKeys({ VANE_KEYS_OAUTH_FILE: path })).toThrow('VANE_KEYS_OAUTH_FILE is no key for production');
    expect(() => refuseDefaultKeys({ VANE_KEYS_OAUTH_FILE: join(dir, 'none') })).toThrow('cannot be read (ENOENT)');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('only production refuses them', () => {
  const read = (env: string) => readSettings({ ...commonSettings, ...keyRingSettings('VANE_KEYS_OAUTH') }, { PORT: '1', VANE_NATS_URL: 'x', VANE_ENV: env, VANE_KEYS_OAUTH: ring(Buffer.alloc(32, 7)) });
  expect(read('development').VANE_KEYS_OAUTH).toMatch(/^k1:/);
  expect(() => read('production')).toThrow('VANE_KEYS_OAUTH is no key for production, because its bytes follow a pattern');
});

it('a ring is given in one way', () => {
  const read = (rings: Record<string, string>) => readSettings({ ...commonSettings, ...keyRingSettings('VANE_KEYS_OAUTH') }, { PORT: '1', VANE_NATS_URL: 'x', ...rings });
  expect(read({ VANE_KEYS_OAUTH: '', VANE_KEYS_OAUTH_FILE: '/keys/oauth.ring' })).toMatchObject({ VANE_KEYS_OAUTH: undefined, VANE_KEYS_OAUTH_FILE: '/keys/oauth.ring' });
  expect(() => read({})).toThrow('VANE_KEYS_OAUTH: must hold a key ring, or VANE_KEYS_OAUTH_FILE');
  expect(() => read({ VANE_KEYS_OAUTH: 'k1:x', VANE_KEYS_OAUTH_FILE: '/keys/oauth.ring' })).toThrow('VANE_KEYS_OAUTH: is given together with VANE_KEYS_OAUTH_FILE');
});

it('whatever looks like a key in this repository is refused', () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const found = ['apps', 'libs', 'tools', 'e2e', 'docs', 'deploy', 'docker-compose.yml', 'README.md', '.env.example']
    .flatMap((place) => filesIn(join(root, place)))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\bk\d+:([A-Za-z0-9+/]{43,87}={0,2})(?![\w+/=])|\bvat_([\w-]{43})(?![\w-])/g)]
      .map(([, base64, base64url]) => ({ file, key: Buffer.from(base64 ?? base64url ?? '', base64 ? 'base64' : 'base64url') })));
  expect(found.filter(({ key }) => weakness(key) === undefined).map(({ file }) => file)).toEqual([]);
});

function filesIn(place: string): string[] {
  if (!/\.[a-z]+$/.test(place) || /\/src$/.test(place)) {
    return readdirSync(place, { withFileTypes: true })
      .filter(({ name }) => name !== 'node_modules' && name !== 'dist' && name !== 'generated')
      .flatMap((entry) => (entry.isDirectory() ? filesIn(join(place, entry.name)) : [join(place, entry.name)]));
  }
  return [place];
}

import { randomBytes } from 'node:crypto';
import { databaseUrlFromEnvironment, ringSourcesFromEnvironment } from './config.js';
import { Database } from './database.js';
import { check, discard, retire, rewrap, rotate, status, type Answer } from './keys/commands.js';
import { ConfiguredRings } from './keys/configured-rings.js';
import type { RotationHost } from './keys/rotation.js';
import { formatKeyRing, isKeyId } from './vault/key-ring.js';
import { RINGS, type Ring } from './vault/rings.js';
import { newSealingKeyPair } from './vault/seal.js';

const USAGE = `Usage: keys-cli RING [KEY_ID]         prints new keys as one line of JSON; KEY_ID is k1 unless given
       keys-cli status                the rings, their keys and what each key encrypts
       keys-cli check [--deep]        what cannot be read, and what to do; --deep tries every value
       keys-cli rotate [RING...]      a new key for every ring, while apps run
       keys-cli rewrap [RING...]      moves what older keys encrypt to the current one
       keys-cli retire [RING...]      removes keys that nothing needs
       keys-cli discard RING --yes    sets lost data keys aside, so that what they encrypted can be entered again
RING is ${RINGS.join(', ')}. All but the first end with one line of JSON and read VANE_DATABASE_URL and VANE_KEYS_*.`;

class UsageError extends Error {
  constructor() {
    super(USAGE);
  }
}

const print = (line: string) => void process.stdout.write(`${line}\n`);
const isRing = (word: string): word is Ring => (RINGS as readonly string[]).includes(word);

async function newKeys(ring: Ring, keyId: string): Promise<Record<string, string>> {
  if (!isKeyId(keyId)) throw new UsageError();
  return ring === 'data' ? newSealingKeyPair(keyId) : { keys: formatKeyRing([{ id: keyId, bytes: randomBytes(32) }]) };
}

function ringsNamed(words: string[]): Ring[] {
  if (!words.every(isRing)) throw new UsageError();
  return words.length > 0 ? (words as Ring[]) : [...RINGS];
}

function commandOf(command: string | undefined, args: string[]): (host: RotationHost) => Promise<Answer> {
  const options = args.filter((arg) => arg.startsWith('-'));
  const words = args.filter((arg) => !arg.startsWith('-'));
  const allowed = { check: ['--deep'], discard: ['--yes'] }[command ?? ''] ?? [];
  if (options.some((option) => !allowed.includes(option))) throw new UsageError();
  const rings = ringsNamed(words);
  const [ring] = words as Ring[];
  if (command === 'status' && !ring) return status;
  if (command === 'check' && !ring) return (host) => check(host, options.includes('--deep'));
  if (command === 'rotate') return (host) => rotate(host, rings);
  if (command === 'rewrap') return (host) => rewrap(host, rings);
  if (command === 'retire') return (host) => retire(host, rings);
  if (command === 'discard' && words.length === 1 && ring && ring !== 'data') return (host) => discard(host, ring, options.includes('--yes'));
  throw new UsageError();
}

async function main([first, ...args]: string[]): Promise<number> {
  if (first !== undefined && isRing(first) && args.length <= 1) {
    print(JSON.stringify(await newKeys(first, args[0] ?? 'k1')));
    return 0;
  }
  const command = commandOf(first, args);
  const database = Database.connect({ url: databaseUrlFromEnvironment(), applicationName: 'vane-keys', maxConnections: 4 });
  try {
    // The one clock of this program.
    // eslint-disable-next-line no-restricted-syntax
    const clock = { now: () => new Date() };
    const { ok, facts } = await command({ database, rings: new ConfiguredRings(ringSourcesFromEnvironment()), clock, say: print });
    print(JSON.stringify({ ok, ...facts }));
    return ok ? 0 : 1;
  } catch (error) {
    // What is expected says what to do; of the rest, such as a lost database, the first line is enough.
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${message}\n`);
    print(JSON.stringify({ ok: false, error: message.split('\n')[0] }));
    return 1;
  } finally {
    await database.close();
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);

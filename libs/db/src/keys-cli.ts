import { randomBytes } from 'node:crypto';
import { newSealingKeyPair } from './vault/seal.js';

const USAGE = 'Usage: keys-cli oauth|hooks|access|data [KEY_ID]. Prints new keys as one line of JSON; KEY_ID is k1 unless given.';

async function newKeys(ring: string | undefined, keyId: string): Promise<Record<string, string>> {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(keyId)) throw new Error(USAGE);
  if (ring === 'data') return newSealingKeyPair(keyId);
  if (ring === 'oauth' || ring === 'hooks' || ring === 'access') return { keys: `${keyId}:${randomBytes(32).toString('base64')}` };
  throw new Error(USAGE);
}

newKeys(process.argv[2], process.argv[3] ?? 'k1').then(
  (keys) => void process.stdout.write(`${JSON.stringify(keys)}\n`),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);

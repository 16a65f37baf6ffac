import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { deliveryStream } from '@vane/runtime';
import { expectNoSecretsInSystem } from '@vane/testing';
import { Redis } from 'ioredis';
import { dropDatabase, stopSupervisor } from '../tools/launch/index.mjs';
import { ringsOf } from './rings.mjs';

/**
 * Stops the system of the tier, fails when it left a secret of a test readable anywhere, and removes what it left on shared servers:
 * database, stream and keys of its own.
 */
export default async function teardown() {
  const file = process.env.VANE_E2E_SYSTEM;
  if (!file) return;
  const { prefix, urls } = JSON.parse(readFileSync(file, 'utf8'));
  const dir = dirname(file);
  await stopSupervisor(dir);
  await globalThis.endOfTap?.();
  try {
    const count = await expectNoSecretsInSystem({ dir, prefix, urls, rings: ringsOf(dir) });
    process.stdout.write(`None of ${count} secrets stands in the database, the stream, Redis or a log.\n`);
  } finally {
    await removeStream(urls.nats, prefix);
    await removeKeys(urls.redis, prefix);
    await dropDatabase(urls.database);
    // Kept with VANE_KEEP_LOGS, for a look at what the apps said; it holds keys of a system that is gone.
    if (!process.env.VANE_KEEP_LOGS) rmSync(dir, { recursive: true, force: true });
  }
}

async function removeStream(url, prefix) {
  const nats = await connect({ servers: url });
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix)).catch(() => undefined);
  await nats.close();
}

async function removeKeys(url, prefix) {
  const redis = new Redis(url);
  for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 500 })) {
    if (keys.length > 0) await redis.del(...keys);
  }
  redis.disconnect();
}

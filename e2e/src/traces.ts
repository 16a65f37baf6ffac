import { readFileSync } from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { deliveryStream } from '@vane/runtime';

/** Removes what an instance left on shared servers: its stream and its keys, found by its own prefix. */
export async function removeTraces(urls: { redis: string; nats: string }, systemFile: string): Promise<void> {
  const { prefix } = JSON.parse(readFileSync(systemFile, 'utf8')) as { prefix: string };
  const nats = await connect({ servers: urls.nats });
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix)).catch(() => undefined);
  await nats.close();
  const redis = new Redis(urls.redis);
  for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 500 })) {
    if ((keys as string[]).length > 0) await redis.del(...(keys as string[]));
  }
  redis.disconnect();
}

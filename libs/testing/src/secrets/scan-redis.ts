import { Redis } from 'ioredis';
import type { Findings } from './findings.js';

/** Looks at every key that begins with the prefix, and at all that it holds. */
export async function scanRedis(url: string, prefix: string, findings: Findings): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 500 })) {
      for (const key of keys as string[]) await scanKey(redis, key, findings);
    }
  } finally {
    redis.disconnect();
  }
}

async function scanKey(redis: Redis, key: string, findings: Findings): Promise<void> {
  findings.look('a key of Redis', key);
  for (const part of await contentOf(redis, key)) findings.look(`Redis ${key}`, part);
}

async function contentOf(redis: Redis, key: string): Promise<Buffer[]> {
  const type = await redis.type(key);
  switch (type) {
    case 'none':
      return [];
    case 'string':
      return [(await redis.getBuffer(key)) ?? Buffer.alloc(0)];
    case 'hash':
      return Object.entries(await redis.hgetallBuffer(key)).flatMap(([name, value]) => [Buffer.from(name), value]);
    case 'list':
      return redis.lrangeBuffer(key, 0, -1);
    case 'set':
      return redis.smembersBuffer(key);
    case 'zset':
      return redis.zrangeBuffer(key, 0, '-1');
    case 'stream':
      return (await redis.xrangeBuffer(key, '-', '+')).flatMap(([, fields]) => fields);
    default:
      throw new Error(`The scan for secrets does not know how to read the Redis type ${type} of ${key}.`);
  }
}

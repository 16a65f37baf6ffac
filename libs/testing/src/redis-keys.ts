import { Redis } from 'ioredis';

/** Deletes every key of a prefix that a test has had for itself; how many there were. */
export async function deleteRedisKeys(url: string, prefix: string): Promise<number> {
  const store = new Redis(url);
  try {
    const keys = await store.keys(`${prefix}:*`);
    return keys.length === 0 ? 0 : await store.del(...keys);
  } finally {
    store.disconnect();
  }
}

import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';

/**
 * Writes all that is published for the stream of deliveries into a file, because a message that was taken out leaves the
 * stream before anybody could look at it. Returns how to end it.
 */
export async function tapDeliveries(url: string, prefix: string, dir: string): Promise<() => Promise<void>> {
  mkdirSync(join(dir, 'bus'), { recursive: true });
  const file = createWriteStream(join(dir, 'bus', 'deliveries'));
  const nats = await connect({ servers: url, maxReconnectAttempts: -1 });
  nats.subscribe(`${prefix}.deliveries.>`, {
    callback: (_error, { subject, headers, data }) => {
      file.write(`${subject} ${headers?.toString() ?? ''}\n`);
      file.write(data);
      file.write('\n');
    },
  });
  await nats.flush();
  return async () => {
    await nats.drain();
    await new Promise((resolve) => file.end(resolve));
  };
}

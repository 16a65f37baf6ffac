import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

/** A body with white space and text beyond ASCII, so that only its bytes, not its meaning, match a signature. */
export const contactCreated = (
  JSON.parse(readFileSync(new URL('./fixtures/contact-created.json', import.meta.url), 'utf8')) as { body: string }
).body;

export const messageId = 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W';

/** Signed by the reference library of Standard Webhooks. */
export function standardHeaders(body: Uint8Array, secret: string, now: Date): Record<string, string> {
  return {
    'webhook-id': messageId,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(messageId, now, Buffer.from(body)),
  };
}

/** A signature over pieces of text and bytes, as senders of their own making write it. */
export function hmacOf(hash: string, encoding: 'hex' | 'base64', secret: string, ...pieces: (string | Uint8Array)[]): string {
  return createHmac(hash, secret).update(Buffer.concat(pieces.map((piece) => Buffer.from(piece)))).digest(encoding);
}

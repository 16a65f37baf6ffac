import { request } from 'node:http';
import { Webhook } from 'standardwebhooks';

export type Answered = { status: number; headers: Record<string, string | string[] | undefined>; body: string };

/** The headers of a Standard Webhooks message, signed for what is given. */
export function signedHeaders(secret: string, id: string, body: string, at = new Date()): Record<string, string> {
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
}

/** Posts a Standard Webhooks message as a well-behaved sender does. */
export async function postSigned(url: string, secret: string, id: string, data: unknown): Promise<number> {
  const body = JSON.stringify(data);
  const answer = await fetch(url, { method: 'POST', body, headers: signedHeaders(secret, id, body) });
  await answer.arrayBuffer();
  return answer.status;
}

/**
 * One request as it is told, header repetition and chunking included: what `fetch` would tidy up. Resolves with the answer
 * even if the server closes the connection before the whole body was sent.
 */
export function send(
  url: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer; chunked?: boolean },
): Promise<Answered> {
  const { method = 'POST', headers = {}, body = '', chunked = false } = options;
  const length: Record<string, string> = chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, agent: false, headers: { ...headers, ...length } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      const done = () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') });
      response.on('end', done).on('error', done);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The same hook at another ingress process. */
export function atPort(url: string, port: number | string): string {
  const other = new URL(url);
  other.port = String(port);
  return other.href;
}

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ReceivedCall = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

export type HttpReceiver = {
  url: string;
  calls: ReceivedCall[];
  /** Decides the answer of each call; 200 unless set. */
  answer: (call: ReceivedCall) => { status: number; body?: string; delayMs?: number };
  close(): Promise<void>;
};

/** A target of `http` runs on loopback that remembers what it was sent. */
export async function startHttpReceiver(): Promise<HttpReceiver> {
  const receiver: HttpReceiver = { url: '', calls: [], answer: () => ({ status: 200 }), close: async () => undefined };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      receiver.calls.push(call);
      const { status, body = '', delayMs = 0 } = receiver.answer(call);
      const answering = setTimeout(() => response.writeHead(status).end(body), delayMs);
      response.on('close', () => clearTimeout(answering));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  receiver.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return receiver;
}

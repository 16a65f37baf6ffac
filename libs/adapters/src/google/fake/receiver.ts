import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readAll } from './wire.js';

/** A request that reached the receiver. */
export type Received = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

/** A plain HTTP server that keeps what it is sent. */
export type Receiver = {
  url: string;
  received: Received[];
  /** What the next requests are answered; a status of 0 is never answered. */
  answer: { status: number; headers: Record<string, string> };
  /** Called for each request, before it is answered. */
  onRequest: () => void;
  close(): Promise<void>;
};

/** Starts a receiver on 127.0.0.1. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answer: Receiver['answer'] = { status: 200, headers: {} };
  const receiver: { onRequest: () => void } = { onRequest: () => undefined };
  const server = createServer((request, response) => {
    void readAll(request).then((body) => {
      const path = request.url ?? '/';
      received.push({ method: request.method ?? '', path, headers: request.headers, body: body.toString('utf8') });
      receiver.onRequest();
      if (answer.status > 0) response.writeHead(answer.status, answer.headers).end('seen');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answer,
    close() {
      return new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  });
}

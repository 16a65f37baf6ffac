import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from '@vane/kit';
import type { Receiver } from './receiver.js';

const PATH = '/hooks/';
const NOTHING = Buffer.alloc(0);
const RETRY_SOON: Answer = { status: 503, headers: { 'retry-after': '5' } };

/** What one process takes on at the same time, and how much of one request. All sizes in bytes. */
export type HookLimits = { bodyBytes: number; requests: number; heldBytes: number };

/**
 * `/hooks/KEY` for every method, on Node's own requests: what a framework does for each request would cost as much as all
 * that has to be done. The adapter says which methods its service uses.
 *
 * A request beyond `limits` is answered 503 before its body is read, so that what was taken on is stored in time: a sender
 * that tries again does so later, and one that never does sees that it was not taken.
 */
export class HookEndpoint {
  private requests = 0;
  private heldBytes = 0;

  /** `closing` says that the server takes no new connections: those that are open are told to end. */
  constructor(
    private readonly receiver: Receiver,
    private readonly limits: HookLimits,
    private readonly closing: () => boolean,
  ) {}

  /** Answers a request for a hook; false for every other, which is left alone. */
  readonly answer = (request: IncomingMessage, response: ServerResponse): boolean => {
    const url = request.url ?? '';
    if (!url.startsWith(PATH)) return false;
    const end = url.indexOf('?');
    const key = end < 0 ? url.slice(PATH.length) : url.slice(PATH.length, end);
    if (!this.receiver.recognises(key)) this.send(response, { status: 404 });
    else this.take(request, response, key, end < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(end))));
    return true;
  };

  private take(request: IncomingMessage, response: ServerResponse, key: string, query: Record<string, string>): void {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > this.limits.bodyBytes) return this.tooLarge(response);
    if (this.requests >= this.limits.requests || this.heldBytes + announced > this.limits.heldBytes) {
      this.receiver.shed();
      return this.send(response, RETRY_SOON);
    }
    let held = announced;
    this.requests += 1;
    this.heldBytes += held;
    const letGo = () => {
      this.requests -= 1;
      this.heldBytes -= held;
      held = 0;
    };
    const chunks: Buffer[] = [];
    let size = 0;
    let over = false;
    const finish = (): boolean => {
      if (over) return false;
      over = true;
      return true;
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (over) return;
      if (size > this.limits.bodyBytes) {
        finish();
        letGo();
        return this.tooLarge(response);
      }
      // Without a length ahead of it, a body is counted as it comes.
      if (size > held) {
        this.heldBytes += size - held;
        held = size;
      }
      chunks.push(chunk);
    });
    request.on('end', () => {
      if (!finish()) return;
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
      const received = this.receiver.receive(key, { method: request.method ?? '', headers: repeatedAsArrays(request), query, body: size === 0 ? NOTHING : body });
      void received.catch((error: unknown) => this.receiver.broken(error)).then((answer) => this.send(response, answer)).finally(letGo);
    });
    // Broken off before its end: nobody waits for an answer.
    const broken = () => {
      if (!finish()) return;
      letGo();
      this.receiver.unreadable(400);
    };
    request.on('error', broken);
    request.on('close', broken);
  }

  private tooLarge(response: ServerResponse): void {
    this.receiver.unreadable(413);
    // What is left of the body is not read.
    const body = `The body is larger than ${this.limits.bodyBytes} bytes, which is the most that is taken here: send less in one request.\n`;
    this.send(response, { status: 413, headers: { connection: 'close' }, body });
  }

  private send(response: ServerResponse, { status, headers, body = '' }: Answer): void {
    response.statusCode = status;
    response.setHeader('x-content-type-options', 'nosniff');
    if (body !== '') response.setHeader('content-type', 'text/plain; charset=utf-8');
    for (const name in headers) response.setHeader(name, headers[name]!);
    if (this.closing()) response.setHeader('connection', 'close');
    response.setHeader('content-length', Buffer.byteLength(body));
    response.end(body);
  }
}

/** Node joins most repeated headers with a comma; a signature that came twice must be seen as such. */
function repeatedAsArrays(request: IncomingMessage): Record<string, string | string[] | undefined> {
  const { headers, rawHeaders } = request;
  let names = 0;
  for (const _name in headers) names += 1;
  if (rawHeaders.length === 2 * names) return headers;
  return Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values]) => [name, values?.length === 1 ? values[0] : values]),
  );
}

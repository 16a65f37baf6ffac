import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Fault, Faults } from './faults.js';
import { html, json, readAll, recordOf } from './wire.js';
import type { Answer, Request, RequestRecord } from './wire.js';

/** What a listener is made of. */
export type Wiring = {
  faults: Faults;
  journal(): RequestRecord[];
  /** ISO time of the fake's clock. */
  now(): string;
  /** Name of what is asked, for the journal and for faults. */
  operation(method: string, path: string): string;
  /** Whose access token the request carries. */
  account(request: Request): string | null;
  route(request: Request): Answer;
  /** Answers below `/__fake/`; neither recorded nor subject to faults. */
  control(request: Request): Promise<Answer> | Answer;
  /** The answer of a `status` or `rate-limit` fault, in the provider's own shape. */
  statusAnswer(fault: Fault): Answer;
};

/** A running server. */
export type Listener = {
  url: string;
  /** Resolves when nothing that follows an answer is still under way. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

function spoil(answer: Answer, fault: Fault): { answer: Answer; cut: boolean } {
  const body = answer.body ?? '';
  // A 204 has no body to spoil (https://www.rfc-editor.org/rfc/rfc9110#section-15.3.5).
  const status = answer.status === 204 ? 200 : answer.status;
  const half = body.length > 1 ? body.slice(0, Math.floor(body.length / 2)) : '{"kind": "api#';
  if (fault.form === 'invalid-json') return { answer: { ...answer, status, body: half }, cut: false };
  if (fault.form === 'truncated') return { answer: { ...answer, status, body: body.length > 1 ? body : '{"kind": "api#channel"}' }, cut: true };
  return { answer: html(status, '<html><body><h1>Error 502 (Server Error)!!1</h1></body></html>'), cut: false };
}

function send(response: ServerResponse, answer: Answer, cut: boolean): Promise<void> {
  const body = Buffer.from(answer.body ?? '', 'utf8');
  const headers: Record<string, string | number> = { ...answer.headers };
  if (answer.status !== 204) headers['content-length'] = body.length;
  response.writeHead(answer.status, headers);
  return new Promise((resolve) => {
    response.once('close', resolve);
    if (cut) response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
    else response.end(body);
  });
}

/** Decides what is answered and does the work; `cut` closes the connection in the middle of the body, null means no answer. */
async function perform(wiring: Wiring, request: Request): Promise<{ answer: Answer | null; cut: boolean; close: boolean; after: Answer['after'] }> {
  const { record } = request;
  const faults = wiring.faults.takeForRequest(record.operation, wiring.account(request));
  const { main } = faults;
  record.fault = main?.kind ?? (faults.early ? 'early' : faults.delayMs > 0 ? 'delay' : null);
  if (faults.delayMs > 0) await pause(faults.delayMs, undefined, { ref: false });
  const worked = main === null || main.kind === 'lost' || (main.afterWork ?? main.kind === 'garbage');
  let answer = worked ? wiring.route(request) : json(200, {});
  if (answer.after && (faults.early || answer.early)) {
    await answer.after(true);
    answer = { ...answer, after: undefined };
  }
  const { after } = answer;
  if (main === null) return { answer, cut: false, close: false, after };
  if (main.kind === 'timeout') return { answer: null, cut: false, close: false, after };
  if (main.kind === 'drop' || main.kind === 'lost') return { answer: null, cut: false, close: true, after };
  if (main.kind === 'garbage') return { ...spoil(answer, main), close: false, after };
  return { answer: wiring.statusAnswer(main), cut: false, close: false, after };
}

/** Starts a server on 127.0.0.1 that plays the wiring's faults around its routes. */
export async function listen(wiring: Wiring, port: number): Promise<Listener> {
  const pending = new Set<Promise<unknown>>();
  const follow = (work: Promise<unknown>) => {
    const tracked = work.catch(() => undefined).finally(() => pending.delete(tracked));
    pending.add(tracked);
  };

  const serve = async (message: IncomingMessage, response: ServerResponse) => {
    const origin = `http://${message.headers.host ?? '127.0.0.1'}`;
    const url = new URL(message.url ?? '/', origin);
    const [method, path, raw] = [message.method ?? 'GET', url.pathname, await readAll(message)];
    const record = recordOf(method, url, wiring.now(), wiring.journal().length, wiring.operation(method, path));
    const request: Request = { method, path, query: url.searchParams, headers: message.headers, raw, origin, record };
    if (path.startsWith('/__fake/')) return send(response, await wiring.control(request), false);
    wiring.journal().push(record);
    const { answer, cut, close, after } = await perform(wiring, request);
    if (answer === null) {
      if (close) response.destroy();
      if (after) follow(after(false));
      return;
    }
    record.status = answer.status;
    const sent = send(response, answer, cut);
    if (after) follow(sent.then(() => after(false)));
    await sent;
  };

  const server = createServer((message, response) => {
    serve(message, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'content-type': 'text/plain' }).end(`The fake failed: ${String(error)}`);
    });
  });
  // A client that keeps connections for a simulated day must not meet one that was closed in the meantime.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async idle() {
      while (pending.size > 0) await Promise.all(pending);
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Fault, Faults, RequestFaults } from './faults.js';
import { html, json, readAll, recordOf } from './wire.js';
import type { Answer, Request, RequestRecord } from './wire.js';

/** What a listener is made of. */
export type Wiring = {
  faults: Faults;
  journal(): RequestRecord[];
  now(): Date;
  /** Optional path prefix of the provider, removed before routing. */
  prefix: string;
  route(request: Request): Promise<Answer> | Answer;
  /** Answers below `/__fake/`; neither recorded nor subject to faults. */
  control(request: Request): Promise<Answer> | Answer;
  /** The answer of a `status` fault, in the provider's own shape. */
  statusAnswer(fault: Fault, request: Request): Answer;
  /** Runs the extra event of an `early` fault for the work just done. */
  early(fault: Fault, request: Request): Promise<unknown>;
};

/** A running server. */
export type Listener = {
  url: string;
  /** Resolves when nothing that follows an answer is still under way. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

function parse(message: IncomingMessage, raw: Buffer, prefix: string): Request {
  const origin = `http://${message.headers.host ?? '127.0.0.1'}`;
  const url = new URL(message.url ?? '/', origin);
  const prefixed = url.pathname === prefix || url.pathname.startsWith(`${prefix}/`);
  return {
    method: message.method ?? 'GET',
    path: (prefixed ? url.pathname.slice(prefix.length) : url.pathname) || '/',
    prefix: prefixed ? prefix : '',
    query: url.searchParams,
    headers: message.headers,
    raw,
    ip: message.socket.remoteAddress ?? '',
    origin,
  };
}

function spoil(answer: Answer, fault: Fault): { answer: Answer; cut: boolean } {
  const body = answer.body ?? '';
  // A 204 has no body to spoil (https://www.rfc-editor.org/rfc/rfc9110#section-15.3.5).
  const status = answer.status === 204 ? 200 : answer.status;
  const half = body.length > 1 ? body.slice(0, Math.floor(body.length / 2)) : '{"id": 1,';
  if (fault.form === 'invalid-json') return { answer: { ...answer, status, body: half }, cut: false };
  if (fault.form === 'truncated') return { answer: { ...answer, status, body: body.length > 1 ? body : '{"id": 1, "name": null}' }, cut: true };
  return { answer: html(status, '<html><body><h1>Bad gateway</h1></body></html>'), cut: false };
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

/** Starts a server on 127.0.0.1 that plays the wiring's faults around its routes. */
export async function listen(wiring: Wiring, port: number): Promise<Listener> {
  const pending = new Set<Promise<unknown>>();
  const follow = (work: Promise<unknown>) => {
    const tracked = work.catch(() => undefined).finally(() => pending.delete(tracked));
    pending.add(tracked);
  };

  const work = async (request: Request, faults: RequestFaults): Promise<Answer> => {
    const answer = await wiring.route(request);
    const { after } = answer;
    if (faults.early !== null) {
      await after?.();
      if (answer.status < 300) await wiring.early(faults.early, request);
      return { ...answer, after: undefined };
    }
    return answer;
  };

  const serve = async (message: IncomingMessage, response: ServerResponse) => {
    const request = parse(message, await readAll(message), wiring.prefix);
    if (request.path.startsWith('/__fake/')) return send(response, await wiring.control(request), false);
    const record = recordOf(request, wiring.now());
    wiring.journal().push(record);
    const faults = wiring.faults.takeForRequest(request.method, request.path);
    const { main } = faults;
    record.fault = main?.kind ?? (faults.early ? 'early' : faults.delayMs > 0 ? 'delay' : null);
    if (faults.delayMs > 0) await pause(faults.delayMs, undefined, { ref: false });
    const worked = main === null || (main.afterWork ?? main.kind === 'garbage');
    const answer = worked ? await work(request, faults) : json(200, {});
    if (main?.kind === 'timeout' || main?.kind === 'drop') {
      if (main.kind === 'drop') response.destroy();
      if (answer.after) follow(answer.after());
      return;
    }
    const spoiled = main?.kind === 'garbage' ? spoil(answer, main) : { answer: main?.kind === 'status' ? wiring.statusAnswer(main, request) : answer, cut: false };
    record.status = spoiled.answer.status;
    const sent = send(response, spoiled.answer, spoiled.cut);
    if (answer.after) follow(sent.then(answer.after));
    await sent;
  };

  const server = createServer((message, response) => {
    serve(message, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'content-type': 'text/plain' }).end(`The fake failed: ${String(error)}`);
    });
  });
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

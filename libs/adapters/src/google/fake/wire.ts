import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** One HTTP request as the routes of the fake see it. */
export type Request = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  raw: Buffer;
  /** Scheme and host the caller used, for links in answers. */
  origin: string;
  /** The line of this request in the journal, which routes complete. */
  record: RequestRecord;
};

/** What a route wants sent. `after` runs once the answer is out (or before it, under an `early` fault or when `early` is set). */
export type Answer = {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  after?: (early: boolean) => Promise<unknown>;
  early?: boolean;
};

/** One line of the request journal; credentials are masked. */
export type RequestRecord = {
  seq: number;
  /** ISO time of the fake's clock. */
  at: string;
  method: string;
  path: string;
  query: Record<string, string>;
  /** Name as in Google's discovery documents (`drive.changes.list`), `oauth.*`, or `unknown`. */
  operation: string;
  account: string | null;
  clientId: string | null;
  /** Of a watch or a stop: the channel it names. */
  channelId: string | null;
  /** null while unanswered, and for ever when the connection was dropped. */
  status: number | null;
  /** The kind of fault that was played on this request, if any. */
  fault: string | null;
};

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8', ...headers }, body: JSON.stringify(value) };
}

/** An HTML answer. */
export function html(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'text/html; charset=utf-8', ...headers }, body };
}

/** Reads a whole request body. */
export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The parameters of a form body, or the strings of a JSON body; an unreadable body has none. */
export function bodyParameters(request: Request): Record<string, string> {
  if ((request.headers['content-type'] ?? '').includes('json')) {
    const value = jsonObject(request.raw) ?? {};
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  }
  return Object.fromEntries(new URLSearchParams(request.raw.toString('utf8')));
}

/** The body as a JSON object, `{}` when empty, null when it is something else. */
export function jsonObject(raw: Buffer): Record<string, unknown> | null {
  if (raw.length === 0) return {};
  try {
    const value: unknown = JSON.parse(raw.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** User and password of a Basic header, or null. */
export function basicCredentials(header: string | undefined): { user: string; password: string } | null {
  const match = /^basic\s+(.+)$/i.exec(header ?? '');
  if (!match) return null;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Text made safe for HTML. */
export function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const secretParameters = new Set(['code', 'token', 'access_token', 'refresh_token', 'client_secret', 'code_verifier']);

/** The journal line of a request, with its credentials masked. */
export function recordOf(method: string, url: URL, at: string, seq: number, operation: string): RequestRecord {
  const query = [...url.searchParams].map(([name, value]): [string, string] => [name, secretParameters.has(name) ? '***' : value]);
  return {
    seq, at, method, path: url.pathname, query: Object.fromEntries(query), operation,
    account: null, clientId: null, channelId: null, status: null, fault: null,
  };
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** One HTTP request as the routes of the fake see it: `path` has the provider's optional prefix removed, `prefix` is what was removed. */
export type Request = {
  method: string;
  path: string;
  prefix: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  raw: Buffer;
  ip: string;
  /** Scheme and host the caller used, for links in answers. */
  origin: string;
};

/** What a route wants sent. `after` runs once the answer is out (or before it, under an `early` fault). */
export type Answer = {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  after?: () => Promise<unknown>;
};

/** One line of the request journal; credentials are masked. */
export type RequestRecord = {
  method: string;
  path: string;
  query: Record<string, string>;
  at: string;
  headers: Record<string, string>;
  /** null while unanswered, and for ever when the connection was dropped. */
  status: number | null;
  /** The kind of fault that was played on this request, if any. */
  fault: string | null;
};

/** JSON as PHP writes it: slashes and everything beyond ASCII escaped. */
export function phpJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('/', '\\/')
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: phpJson(value) };
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

/** The parameters of the query and of a form or JSON body; null when the body cannot be read. */
export function parameters(request: Request): Record<string, unknown> | null {
  const query = Object.fromEntries(request.query);
  const type = request.headers['content-type'] ?? '';
  if (type.includes('x-www-form-urlencoded')) return { ...query, ...Object.fromEntries(new URLSearchParams(request.raw.toString('utf8'))) };
  if (!type.includes('json')) return query;
  const body = jsonObject(request.raw);
  return body === null ? null : { ...query, ...body };
}

/** User and password of a Basic header, or null. */
export function basicCredentials(header: string | undefined): { user: string; password: string } | null {
  const match = /^basic\s+(.+)$/i.exec(header ?? '');
  if (!match) return null;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Text made safe for HTML and XML. */
export function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const secretParameters = new Set(['code', 'access_token', 'refresh_token', 'client_secret', 'code_verifier']);
const secretHeaders = new Set(['authorization', 'cookie']);

/** The journal line of a request, with its credentials masked. */
export function recordOf(request: Request, at: Date): RequestRecord {
  const headers = Object.entries(request.headers).map(([name, value]) => {
    const text = String(value);
    return [name, secretHeaders.has(name) ? text.replace(/^(\S+)\s.*$|^\S+$/, (_all, scheme?: string) => (scheme ? `${scheme} ***` : '***')) : text];
  });
  const query = [...request.query].map(([name, value]) => [name, secretParameters.has(name) ? '***' : value]);
  return {
    method: request.method,
    path: request.prefix + request.path,
    query: Object.fromEntries(query) as Record<string, string>,
    at: at.toISOString(),
    headers: Object.fromEntries(headers) as Record<string, string>,
    status: null,
    fault: null,
  };
}

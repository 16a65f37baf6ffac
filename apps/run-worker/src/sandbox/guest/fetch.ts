import { type Bridge, parse } from './bridge.js';

type HeaderInput = Headers | Record<string, unknown> | Iterable<[string, string]>;
type FetchInit = { method?: string; headers?: HeaderInput; body?: unknown };
type Answer = { status: number; headers: Record<string, string>; body: string };
type Waiting = { resolve: (response: Response) => void; reject: (error: Error) => void; url: string };

/** Header names are case-insensitive; several values of one name are joined with a comma (RFC 9110, 5.3). */
export class Headers {
  readonly #values = new Map<string, string>();

  constructor(init?: HeaderInput) {
    if (init === undefined || init === null) return;
    const pairs = Symbol.iterator in init ? (init as Iterable<[string, string]>) : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, String(value));
  }

  get(name: string): string | null { return this.#values.get(String(name).toLowerCase()) ?? null; }
  has(name: string): boolean { return this.#values.has(String(name).toLowerCase()); }
  set(name: string, value: string): void { this.#values.set(String(name).toLowerCase(), String(value)); }
  delete(name: string): void { this.#values.delete(String(name).toLowerCase()); }
  append(name: string, value: string): void {
    const before = this.get(name);
    this.set(name, before === null ? value : `${before}, ${value}`);
  }
  forEach(visit: (value: string, name: string) => void): void { this.#values.forEach((value, name) => visit(value, name)); }
  keys() { return this.#values.keys(); }
  values() { return this.#values.values(); }
  entries() { return this.#values.entries(); }
  [Symbol.iterator]() { return this.#values.entries(); }
}

/** The part of the Fetch standard's Response that a text body needs. */
export class Response {
  readonly status: number;
  readonly ok: boolean;
  readonly url: string;
  readonly headers: Headers;
  readonly #body: string;

  constructor(body = '', init: { status?: number; headers?: HeaderInput; url?: string } = {}) {
    this.#body = String(body);
    this.status = init.status ?? 200;
    this.ok = this.status >= 200 && this.status < 300;
    this.url = init.url ?? '';
    this.headers = new Headers(init.headers);
  }

  async text(): Promise<string> { return this.#body; }
  async json(): Promise<unknown> { return parse(this.#body); }
}

function readBody(body: unknown, headers: Headers): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  const form = (globalThis as { URLSearchParams?: new () => object }).URLSearchParams;
  if (form && body instanceof form) {
    if (!headers.has('content-type')) headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
    return String(body);
  }
  throw new TypeError('The body given to fetch must be a text or URLSearchParams; use JSON.stringify for objects.');
}

/** `fetch` for scripts: the request is made by the parent process, under its rules for outgoing calls. */
export function createFetch(call: Bridge) {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const fetch = (input: unknown, init: FetchInit = {}): Promise<Response> =>
    new Promise((resolve, reject) => {
      const headers = new Headers(init.headers);
      const body = readBody(init.body, headers);
      const [id, url] = [++last, String(input)];
      const method = String(init.method ?? 'GET').toUpperCase();
      call('fetch', id, { url, method, headers: Object.fromEntries(headers.entries()), ...(body === undefined ? {} : { body }) });
      waiting.set(id, { resolve, reject, url });
    });
  const fetched = (id: number, ok: boolean, json: string): void => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (!call) return;
    if (!ok) return call.reject(new TypeError(parse(json) as string));
    const answer = parse(json) as Answer;
    call.resolve(new Response(answer.body, { ...answer, url: call.url }));
  };
  return { fetch, fetched };
}

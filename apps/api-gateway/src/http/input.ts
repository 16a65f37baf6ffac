import { VaneError, type HttpBinding, type Operation } from '@vane/contracts';

/** The parts of a request that an operation's input is made of, as Fastify read them. */
export type RequestParts = {
  params: Record<string, string>;
  query: Record<string, string | string[] | undefined>;
  /** Parsed JSON; undefined without a body. */
  body: unknown;
  ifMatch: string | undefined;
  userAgent?: string | undefined;
};

/** Operations that have a REST route. */
export type RestOperation = Operation & { http: HttpBinding<unknown> };
export const isRest = (operation: Operation): operation is RestOperation => operation.http !== undefined;

/** Status of the answer to a call that succeeded. */
export const statusOf = ({ http }: RestOperation, output: unknown): number =>
  typeof http.status === 'function' ? http.status(output) : (http.status ?? 200);

/** Names in `{}` of a binding's path. */
export const pathParameters = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);

/** True when the rest of the input is the query, false when it is the body. */
export const readsQuery = ({ http }: RestOperation): boolean => http.method === 'GET' || http.method === 'DELETE';

/** Members of the input that the query (GET, DELETE) or the body (all others) may hold. */
export function freeMembers(operation: RestOperation): string[] {
  const { path, ifMatch, session } = operation.http;
  const taken = [...pathParameters(path), ...(ifMatch ? ['ifMatch'] : []), ...(session === 'opens' ? ['userAgent'] : [])];
  return Object.keys(operation.input.shape).filter((name) => !taken.includes(name));
}

/**
 * The flat input of an operation, not yet parsed by its contract. Throws `bad_request` that names every member that does
 * not belong where it was sent, and `precondition_required` when the operation needs If-Match and there is none.
 */
export function buildInput(operation: RestOperation, parts: RequestParts): Record<string, unknown> {
  const members = readsQuery(operation) ? fromQuery(operation, parts) : fromBody(operation, parts);
  const version = operation.http.ifMatch ? { ifMatch: parseIfMatch(parts.ifMatch) } : {};
  const browser = operation.http.session === 'opens' ? { userAgent: parts.userAgent ?? '' } : {};
  return { ...members, ...parts.params, ...version, ...browser };
}

/** The version in an If-Match header: `"3"`, `3` or `W/"3"`. */
export function parseIfMatch(header: string | undefined): number {
  if (header === undefined || header.trim() === '') {
    throw new VaneError('precondition_required', 'Read the object first and send its version as If-Match, for example If-Match: "3".');
  }
  const match = /^(?:(?:W\/)?"(\d{1,10})"|(\d{1,10}))$/.exec(header.trim());
  const version = match?.[1] ?? match?.[2];
  if (version === undefined) {
    const message = 'must be the one version you have read, for example "3"';
    throw new VaneError('bad_request', `If-Match ${message}.`, { fields: [{ path: 'ifMatch', message }] });
  }
  return Number(version);
}

function fromQuery(operation: RestOperation, { query, body }: RequestParts): Record<string, unknown> {
  if (body !== undefined) throw new VaneError('bad_request', `${operation.http.method} takes no body here. Use query parameters.`);
  refuseUnknown(Object.keys(query), freeMembers(operation), 'query parameter');
  const repeated = Object.keys(query).filter((name) => Array.isArray(query[name]));
  refuse(repeated, 'query parameter', 'is given more than once');
  return query;
}

function fromBody(operation: RestOperation, { query, body }: RequestParts): Record<string, unknown> {
  refuseUnknown(Object.keys(query), [], 'query parameter');
  if (body === undefined) return {};
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new VaneError('bad_request', 'The body must be a JSON object.');
  }
  refuseUnknown(Object.keys(body), freeMembers(operation), 'member of the body');
  return body as Record<string, unknown>;
}

function refuseUnknown(given: string[], known: string[], what: string): void {
  refuse(given.filter((name) => !known.includes(name)), what, 'is not known here');
}

function refuse(names: string[], what: string, problem: string): void {
  if (names.length === 0) return;
  const shown = names.slice(0, 20).map((name) => name.slice(0, 100));
  const fields = shown.map((path) => ({ path, message: problem }));
  throw new VaneError('bad_request', `${capital(what)} ${shown.join(', ')} ${problem}.`, { fields });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

import type * as contracts from '@vane/contracts';
import { routes } from 'virtual:contracts';
import type { z } from 'zod';

type Declared = { owner: string; input: z.ZodObject; output: z.ZodType };

/** Every operation that the contracts export, by the name it is exported under. */
export type Operations = {
  [Name in keyof typeof contracts as (typeof contracts)[Name] extends Declared ? Name : never]: (typeof contracts)[Name] extends Declared
    ? (typeof contracts)[Name]
    : never;
};
export type OperationName = keyof Operations & string;
/** What a caller gives; the gateway adds the user agent. */
export type InputOf<Name extends OperationName> = Omit<z.input<Operations[Name]['input']>, 'userAgent'>;
export type OutputOf<Name extends OperationName> = z.output<Operations[Name]['output']>;
/** One item of a list. */
export type ItemOf<Name extends OperationName> = OutputOf<Name> extends { items: (infer Item)[] } ? Item : never;

export type FieldError = { path: string; message: string };

/** What the API answered instead of a result: a problem document (RFC 9457), whose detail is a sentence for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: FieldError[] = [],
  ) {
    super(message);
  }
}

let csrfToken: string | undefined;

/** Remembers, for as long as the page is open, what the session wants to see with every change. */
export const keepCsrfToken = (token: string | undefined): void => void (csrfToken = token);

/**
 * Asks the API for one operation: its path, method and place of every member come from the contracts. Throws an `ApiError`
 * for every answer that is no success. `token` asks as the owner of an API token instead of the session.
 */
export async function call<Name extends OperationName>(name: Name, input: InputOf<Name>, token?: string): Promise<OutputOf<Name>> {
  const { url, init } = requestOf(name, input as Record<string, unknown>);
  const headers = new Headers(init.headers);
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  else if (csrfToken !== undefined && init.method !== 'GET') headers.set('x-csrf-token', csrfToken);
  const response = await fetch(url, { ...init, headers }).catch((error: unknown) => {
    throw new ApiError(0, 'unreachable', 'Vane does not answer. Is it running, and is your network?', error instanceof Error ? [{ path: '', message: error.message }] : []);
  });
  const text = await response.text();
  if (response.ok) return (text.startsWith('{') ? JSON.parse(text) : text) as OutputOf<Name>;
  throw errorOf(response.status, text);
}

function requestOf(name: string, input: Record<string, unknown>): { url: string; init: RequestInit } {
  const route = routes[name];
  if (!route) throw new Error(`The operation ${name} has no route.`);
  const [method, path, ifMatch] = route;
  const rest = new Map(Object.entries(input).filter(([, value]) => value !== undefined));
  const take = (key: string): string => {
    const value = rest.get(key);
    rest.delete(key);
    return String(value);
  };
  const headers: Record<string, string> = {};
  if (ifMatch) headers['if-match'] = `"${take('ifMatch')}"`;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(take(key)));
  if (method === 'GET' || method === 'DELETE') {
    const query = new URLSearchParams([...rest].map(([key, value]) => [key, String(value)]));
    return { url: `/api/v1${filled}${query.size ? `?${query}` : ''}`, init: { method, headers } };
  }
  return { url: `/api/v1${filled}`, init: { method, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(Object.fromEntries(rest)) } };
}

function errorOf(status: number, text: string): ApiError {
  try {
    const { code, detail, title, fields } = JSON.parse(text) as { code?: string; detail?: string; title?: string; fields?: FieldError[] };
    return new ApiError(status, code ?? 'unknown', detail ?? title ?? `Vane answered with HTTP ${status}.`, fields);
  } catch {
    return new ApiError(status, 'unknown', `Vane answered with HTTP ${status}.`);
  }
}

import type { Operation, OutputOf } from '@vane/contracts';
import type { z } from 'zod';
import { keepSecretsOfCall } from './secrets/watch.js';

/** What the API answered, as it came. */
export type ApiAnswer<Body> = { status: number; headers: Headers; body: Body };

/** A problem+json document, as far as tests look at it. */
export type Problem = { code: string; detail: string; status: number; requestId: string; fields?: { path: string; message: string }[] };

/** Calls the REST API by its contracts: path, query and body are taken apart as the binding says. */
export class ApiClient {
  constructor(
    readonly baseUrl: string,
    readonly token: string,
  ) {}

  /** The answer whatever its status. */
  async send<O extends Operation>(
    operation: O,
    input: z.input<O['input']> & { ifMatch?: number },
    headers: Record<string, string> = {},
  ): Promise<ApiAnswer<unknown>> {
    const { method, url, body, ifMatch } = requestFor(operation, input as Record<string, unknown>);
    const response = await fetch(`${this.baseUrl}/api/v1${url}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifMatch === undefined ? {} : { 'if-match': `"${String(ifMatch)}"` }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text === '' ? undefined : (JSON.parse(text) as unknown);
    keepSecretsOfCall(operation, input as Record<string, unknown>, response.ok ? answer : undefined);
    return { status: response.status, headers: response.headers, body: answer };
  }

  /** The reply; throws with the problem's sentence when the answer is an error. */
  async call<O extends Operation>(operation: O, input: z.input<O['input']> & { ifMatch?: number }): Promise<OutputOf<O>> {
    const answer = await this.send(operation, input);
    if (answer.status >= 400) {
      const problem = answer.body as Problem;
      throw new Error(`${operation.name} answered ${answer.status} ${problem.code}: ${problem.detail}`);
    }
    return answer.body as OutputOf<O>;
  }
}

/** The HTTP request that carries an operation's input. */
export function requestFor(operation: Operation, input: Record<string, unknown>) {
  const { http } = operation;
  if (!http) throw new Error(`${operation.name} is not part of the REST API.`);
  const rest = new Map(Object.entries(input).filter(([, value]) => value !== undefined));
  const url = http.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest.get(name);
    rest.delete(name);
    return encodeURIComponent(String(value));
  });
  const ifMatch = rest.get('ifMatch');
  rest.delete('ifMatch');
  const left = Object.fromEntries(rest);
  if (http.method !== 'GET' && http.method !== 'DELETE') return { method: http.method, url, body: left, ifMatch };
  const query = new URLSearchParams(Object.entries(left).map(([name, value]): [string, string] => [name, String(value)])).toString();
  return { method: http.method, url: query ? `${url}?${query}` : url, body: undefined, ifMatch };
}


import { randomUUID } from 'node:crypto';
import { acceptInvitation, createInvitation, signIn, WORKSPACE_ROLES, type Operation, type OutputOf } from '@vane/contracts';
import { keepSecret, keepSecretsOfCall, newSecret, requestFor, type ApiClient, type Problem } from '@vane/testing';
import { system } from './system.js';

export type WorkspaceRole = (typeof WORKSPACE_ROLES)[number];
export type Answer = { status: number; headers: Headers; json: Problem & Record<string, unknown> };

/** Somebody with a browser: keeps the session's cookie, and sends the CSRF token as a page would. */
export class Person {
  cookie = '';
  csrfToken = '';

  constructor(
    readonly email = `${randomUUID()}@example.com`,
    readonly password = newSecret('the password of a person'),
    private readonly baseUrl = system().api,
  ) {}

  /** Invites a new person to a workspace with a token of it, and lets that person accept. */
  static async join({ workspace, role, by }: { workspace: string; role: WorkspaceRole; by: ApiClient }): Promise<Person & { id: string }> {
    const person = new Person(undefined, undefined, by.baseUrl);
    const { token } = await by.call(createInvitation, { workspace, email: person.email, role });
    const { user } = await person.accept(token);
    return Object.assign(person, { id: user.id });
  }

  async accept(token: string): Promise<OutputOf<typeof acceptInvitation>> {
    return this.open(await this.ask(acceptInvitation, { token, name: 'Somebody', password: this.password }));
  }

  async signIn(): Promise<OutputOf<typeof signIn>> {
    return this.open(await this.ask(signIn, { email: this.email, password: this.password }));
  }

  /** The answer to an operation, whatever its status. */
  async ask(operation: Operation, input: Record<string, unknown>, headers: Record<string, string> = {}): Promise<Answer> {
    const { method, url, body, ifMatch } = requestFor(operation, input);
    const response = await fetch(`${this.baseUrl}/api/v1${url}`, {
      method,
      headers: {
        ...(this.cookie === '' ? {} : { cookie: this.cookie, 'x-csrf-token': this.csrfToken }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifMatch === undefined ? {} : { 'if-match': `"${String(ifMatch)}"` }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const json = (await response.json()) as Answer['json'];
    keepSecretsOfCall(operation, input, response.ok ? json : undefined);
    return { status: response.status, headers: response.headers, json };
  }

  private open<Session>({ status, headers, json }: Answer): Session {
    if (status !== 201) throw new Error(`No session was opened: ${status} ${json.code}: ${json.detail}`);
    this.cookie = /^[^;]+/.exec(headers.get('set-cookie') ?? '')?.[0] ?? '';
    keepSecret('the token of a session', this.cookie.slice(this.cookie.indexOf('=') + 1));
    this.csrfToken = String(json['csrfToken']);
    return json as Session;
  }
}

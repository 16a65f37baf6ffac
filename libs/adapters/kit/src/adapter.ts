import type { z } from 'zod';
import type { JsonObject } from './json.js';
import type { NormalisedEvent, PullSpec } from './pull.js';
import type { RemoteApi } from './remote.js';
import type { Answer, RawRequest } from './request.js';
import type { VerificationScheme } from './scheme.js';
import type { Endpoint, ServiceHttp } from './service-http.js';

export type OAuthProfile = {
  authorize: Endpoint;
  token: Endpoint;
  /** How the client authenticates at the token endpoint (RFC 6749 section 2.3.1). */
  clientAuth: 'body' | 'basic';
  /** Scopes asked for in every authorisation; the trigger types add theirs. */
  baseScopes: string[];
  /** Scopes that a granted scope includes, by its name: services leave them out of what they say they granted. */
  impliedScopes?: Record<string, string[]>;
  /** How the service separates scopes in its answer; in requests RFC 6749 demands a space. */
  grantedScopeSeparator: ' ' | ',';
  authorizeParams?: Record<string, string>;
  /** `200-body`: errors come with status 200 and an `error` member. */
  errorLocation: 'status' | '200-body';
  /** Whether tokens are renewed: never; with a refresh token that stays; with one that is used up and comes anew each time. */
  refresh: 'none' | 'static' | 'rotating';
  /** `error` codes of the token endpoint that mean: the grant is dead, a person must authorise again. */
  deadGrantCodes: string[];
  /** Whom a 429 of the token endpoint means: `address`: us, with all our connections there; left out: the one connection. */
  tokenLimits?: 'address';
  /** `error` codes of the token endpoint that mean: it does not take the client or its secret; left out: `invalid_client`. */
  clientRefusedCodes?: string[];
  /** How a grant is ended at the service; left out where only a person can do it there. */
  revoke?: Revocation;
  /** Who the token belongs to, asked with a fresh token. */
  identity(http: ServiceHttp): Promise<{ accountId: string; accountLabel: string; scopes?: string[] }>;
};

/** What is needed to end a grant in a service's own way. */
export type RevocationWays = {
  /** Authorised as the account, with its access token. */
  account: ServiceHttp;
  /** Authorised as the OAuth client, with its id and secret (HTTP Basic). */
  client: ServiceHttp;
};

export type Revocation = {
  /**
   * What ends with it: the `tokens` of the one connection, or all `grants` of the account to the client, so that it is left
   * alone while another connection lives of them.
   */
  ends: 'tokens' | 'grants';
} & (
  | {
      /** RFC 7009 (https://www.rfc-editor.org/rfc/rfc7009); client authentication as at the token endpoint. */
      endpoint: Endpoint;
      /** Which token to send; the access token also where there is no refresh token. */
      token: 'access_token' | 'refresh_token';
    }
  | {
      /** Throws a ServiceError when the service did not do it. */
      call(ways: RevocationWays, grant: { accessToken: string; clientId: string }): Promise<void>;
    }
);

/** What a trigger's config comes to at the service. */
export type Plan<Want extends JsonObject = JsonObject> = {
  /** Canonical name of the resource: triggers of one connection with the same resource share a feed. */
  resource: string;
  /** What our object at the service must look like for this trigger alone. */
  want: Want;
};

/** A verified request as it was stored: headers in lower case without credentials, body after redaction. */
export type StoredRequest = {
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  receivedAt: string;
};

/** Cuts a member out of a JSON body before anything is stored. */
export type Redaction = {
  /** RFC 6901 JSON Pointer (https://www.rfc-editor.org/rfc/rfc6901). */
  pointer: string;
  /** Seconds for which scripts may read what was cut out as `ctx.auth`, encrypted; left out: it is dropped. */
  authSeconds?: number;
};

/** `id`: the one given to `register`; `aux`: a member of what `register` answered, not compared before that is known. */
export type HeaderBinding = { header: string; to: 'id' | { aux: string } };

export type WebhookSpec<Want extends JsonObject = JsonObject> = {
  /** The scheme of a subscription; a function where the config decides it. */
  verification: VerificationScheme | ((want: Want) => VerificationScheme);
  /** Methods the service posts with; anything else is refused with 405. */
  methods: string[];
  /** How long the service waits for our answer, in milliseconds, as it says itself. Shown to people; no timer runs by it. */
  ackDeadlineMs: number;
  /** Whether the service sends again after a failure. Shown to people: where it does not, what we cannot store is lost. */
  retries: boolean;
  /** Header names (lower case) worth keeping beside content-type and user-agent; a function where the config decides it. */
  keepHeaders: string[] | ((want: Want) => string[]);
  redact?: Redaction[];
  /** Answers a challenge, also while `register` is in flight; undefined when this is no handshake. Runs before verification. */
  handshake?(request: RawRequest): Answer | undefined;
  /** True for a verified message that is recorded and starts nothing, as GitHub's ping. */
  isPing?(request: Pick<RawRequest, 'headers'>): boolean;
  /**
   * Facts of the subscription that the service repeats in headers, as Google does with the ids of a channel. A request whose
   * header says something else is refused, and so is one without the header.
   */
  bindings?: HeaderBinding[];
  /**
   * Turns a stored request into events; `want` is what the subscription that received it was made for. Throws when the
   * body is not what the service sends; it is then `unprocessable`. Left out where the type has `pull`: a message then only
   * says that there is something to fetch.
   */
  normalise?(request: StoredRequest, want: Want): NormalisedEvent[];
};

export type PickerItem = {
  /** Null where it can only be walked into. */
  value: string | null;
  label: string;
  description?: string;
  /** Given as `parent` it lists what is inside. */
  inside?: string;
  /** Values of other config fields that go with it. */
  also?: Record<string, string>;
};

export type PickerPage = { items: PickerItem[]; next: string | null };

export type Picker = {
  /** The config field it offers values for. */
  field: string;
  pick(http: ServiceHttp, input: { q?: string; cursor?: string; parent?: string }): Promise<PickerPage>;
};

export type TriggerType<Config extends z.ZodObject = z.ZodObject, Want extends JsonObject = JsonObject> = {
  label: string;
  description: string;
  /** Validates config, becomes JSON Schema for API and console; `.meta({ title, description })` are form hints. */
  config: Config;
  summary(config: z.output<Config>): string;
  starterScript: string;
  scopes: string[];
  /** Whether the same resource is one object at the service for all triggers (`feed`) or each trigger's own (`trigger`). */
  sharing: 'feed' | 'trigger';
  plan(config: z.output<Config>): Plan<Want>;
  /** The least that serves all of them; left out where every want of a resource is the same. */
  union?(wants: Want[]): Want;
  /** Whether an event of the feed is for a trigger with this config; left out: all are. */
  matches?(config: z.output<Config>, event: NormalisedEvent): boolean;
  webhook: WebhookSpec<Want>;
  /** Left out where a person enters URL and secret at the sender. */
  remote?: RemoteApi<Want>;
  /** How events are fetched where what the service sends does not carry them. */
  pull?: PullSpec<Want>;
  pickers?: Record<string, Picker>;
  /**
   * The form the scheme wants a secret in, made from random bytes; left out: base64url of 32 bytes. The empty string
   * says that this want has no secret.
   */
  newSecret?(want: Want, random: (bytes: number) => Uint8Array): string;
};

export type Adapter = {
  /** Slug, equal to the folder's name. */
  id: string;
  label: string;
  docsUrl: string;
  /** SVG text. */
  icon: string;
  /** Named hosts; null where each installation has its own and the integration must give it. */
  hosts: Record<string, string | null>;
  /** What a person does at the service, in order; `{redirectUri}` and `{hosts.NAME}` are filled in. */
  setupSteps: string[];
  oauth?: OAuthProfile;
  /** The service's own sentence in the body of an error answer. */
  errorMessage?(json: unknown): string | undefined;
  /** Whether an error answer asks us to slow down beyond what status and headers say of it; `json` is its body. */
  isRateLimit?(status: number, json: unknown): boolean;
  triggerTypes: Record<string, TriggerType>;
};

/** Keeps the types of one trigger type together; the registry sees it with its parameters erased. */
export function defineTriggerType<Config extends z.ZodObject, Want extends JsonObject>(
  type: TriggerType<Config, Want>,
): TriggerType {
  return type as unknown as TriggerType;
}

/** The one public face of a service folder. */
export function defineAdapter(adapter: Adapter): Adapter {
  return adapter;
}

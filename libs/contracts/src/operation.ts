import { z } from 'zod';

export const APPS = ['api-gateway', 'oauth-service', 'trigger-service', 'webhook-ingress', 'sync-worker', 'run-worker'] as const;
export type AppName = (typeof APPS)[number];

/** Roles in a workspace, weakest first; `superadmin` is the instance's. */
export const ROLES = ['operator', 'editor', 'admin', 'superadmin'] as const;
export type Role = (typeof ROLES)[number];

/** Roles that a membership, an invitation and a token of a workspace may have. */
export const WORKSPACE_ROLES = ['operator', 'editor', 'admin'] as const;

/** True when `role` may do what `needed` may do. */
export const atLeast = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/**
 * Who may call: a role (or any above it), `anyone` with a valid token or session, `user`: a person who is signed in,
 * whatever the role, `public`: anybody at all, or `internal`: other apps over the bus only, never over HTTP.
 */
export type Access = Role | 'anyone' | 'user' | 'public' | 'internal';

export type HttpBinding<Output> = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, with `{name}` for path parameters, which are keys of the input. */
  path: string;
  /** Success status, or how to tell it from the reply. */
  status?: number | ((output: Output) => number);
  /** The input's `ifMatch` is filled from the If-Match header, which is then required (RFC 9110 section 13.1.1). */
  ifMatch?: boolean;
  /** The route names no object of a workspace, so a token of another workspace sees the same. Says why. */
  isolationExempt?: string;
  /**
   * `opens`: the reply's `sessionToken` goes into the session cookie and is never part of the body; null opens none. The
   * input's `userAgent` is filled from the request. `closes`: the cookie is removed.
   */
  session?: 'opens' | 'closes';
  /**
   * Failed calls count as guesses against the address they come from, and against whom they are about: the value of this
   * member of the input, or with `self` whoever asks.
   */
  guesses?: string;
  /** The input holds a password, so no Idempotency-Key is taken: its memory keeps a hash of the input that is fast to try. */
  takesPassword?: true;
  /**
   * Members of the reply that hold a secret and are shown once. They are never kept for a repeated idempotency key: the
   * replayed answer has null in their place.
   */
  revealsSecret?: readonly string[];
  /**
   * Name of a list whose pages the gateway asks for, one after the other, to answer them as one CSV document. The input is
   * the list's without its paging. Such an operation has no handler.
   */
  csvOf?: string;
  /** Name of the GET operation, on the same object, that says what this takes with it: recorded beside the object before. */
  plannedBy?: string;
};

/**
 * One thing an app can be asked: its message on the bus, and for those with `http` also its REST route, its OpenAPI
 * entry and its access rule. `input` is flat: path parameters, then query (GET, DELETE) or body (all others).
 */
export type Operation<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodType = z.ZodType> = {
  /** `noun.verb`, unique. */
  name: string;
  owner: AppName;
  summary: string;
  access: Access;
  /** True when a repeat of the same call must not act twice: carries an idempotency key. */
  mutates: boolean;
  /** How long the caller waits at most, in milliseconds. */
  deadlineMs: number;
  http?: HttpBinding<z.output<Output>>;
  input: Input;
  output: Output;
};

type OperationOptions<Input extends z.ZodObject, Output extends z.ZodType> = Omit<
  Operation<Input, Output>,
  'mutates' | 'deadlineMs'
> & { mutates?: boolean; deadlineMs?: number };

/** Declares an operation. Mutation is derived from the HTTP method where there is one; the deadline defaults to 15 s. */
export function defineOperation<Input extends z.ZodObject, Output extends z.ZodType>(
  options: OperationOptions<Input, Output>,
): Operation<Input, Output> {
  return {
    ...options,
    mutates: options.mutates ?? (options.http !== undefined && options.http.method !== 'GET'),
    deadlineMs: options.deadlineMs ?? 15_000,
  };
}

/**
 * Whether an Idempotency-Key means something. Not where nobody is known yet, since keys are remembered per actor, and not
 * where a session or a password is at stake, which the memory of keys must not hold.
 */
export const takesIdempotencyKey = ({ mutates, access, http }: Pick<Operation, 'mutates' | 'access' | 'http'>): boolean =>
  mutates && access !== 'public' && !http?.session && !http?.takesPassword;

export type InputOf<O extends Operation> = z.output<O['input']>;
export type OutputOf<O extends Operation> = z.output<O['output']>;

/** `user`: a person in a browser; `token`: an API token; `system`: Vane itself; `anonymous`: somebody who signs in. */
export const ACTOR_KINDS = ['user', 'token', 'system', 'anonymous'] as const;

/** Who asks, on whose behalf, and under which correlation id; travels beside every operation's input. */
export const callContext = z.object({
  correlationId: z.string(),
  actor: z.object({
    kind: z.enum(ACTOR_KINDS),
    id: z.string(),
    role: z.enum(ROLES),
    /** The person behind a session, or who made the token; null for tokens of nobody and for the system. */
    userId: z.string().nullable(),
    /** What people read: an e-mail address, the name of a token, an app. */
    label: z.string(),
    /** The session that a user asks through. */
    sessionId: z.string().optional(),
  }),
  idempotencyKey: z.string().optional(),
});
export type CallContext = z.infer<typeof callContext>;
export type Actor = CallContext['actor'];

/** The context of work that nobody asked for: sweepers, schedules, pulls. */
export function systemCall(app: AppName, correlationId: string): CallContext {
  return { correlationId, actor: { kind: 'system', id: app, role: 'superadmin', userId: null, label: app } };
}

import { z } from 'zod';
import { defineOperation } from './operation.js';
import { done, id, ifMatch, instant, label, page, pageQuery, ref, secretText, shownSecret, slug, text, webUrl } from './scalars.js';

/** Hosts of a service's profile by their name in the adapter (`api`, `web`, `base`), as absolute URLs. */
export const hosts = z.record(z.string(), webUrl());

export const CONNECTION_STATUSES = ['active', 'auth_required', 'disconnecting'] as const;

export const connectionView = z
  .object({
    id: id('connection'),
    service: slug,
    integrationId: id('integration'),
    name: z.string().nullable().describe('What people call it; null: by the label of its account'),
    accountId: z.string().describe('Identity of the account at the service'),
    accountLabel: z.string(),
    private: z.boolean().describe('True when its owner alone may use it'),
    ownerId: id('user').nullable().describe('Whose it is; null when it is shared with the workspace'),
    usable: z.boolean().describe('Whether you may use it: it is shared, or yours'),
    scopes: z.array(z.string()).describe('Scopes the service granted'),
    status: z.enum(CONNECTION_STATUSES),
    statusSince: instant,
    reasonCode: z.string().nullable().describe('Why authorisation is required, or why the last refresh brought no token, as a code'),
    reason: z.string().nullable().describe('Why authorisation is required, or why the last refresh brought no token, in the words of the service, and, of a connection that is being disconnected, what is awaited'),
    expiresAt: instant.nullable().describe('When the access token expires; null when the service named no time'),
    createdAt: instant,
    updatedAt: instant,
    version: z.number().int().describe('Send as If-Match to change the connection'),
  })
  .meta({ id: 'Connection' });
export type ConnectionView = z.infer<typeof connectionView>;

const startedAuthorisation = z.object({ url: shownSecret(), expiresAt: instant }).meta({ id: 'Authorisation' });

/** What to ask the service for beside what is always needed. */
const askedScopes = {
  triggerTypes: z.array(slug).max(50).default([]).describe('Trigger types whose scopes to ask for'),
  scopes: z.array(text().min(1).max(200)).max(50).default([]).describe('Further scopes to ask for'),
};

export const authorizeConnection = defineOperation({
  name: 'connections.authorize',
  owner: 'oauth-service',
  summary: 'Start to connect an account: open the URL in a browser',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/connections/authorize', status: 201, revealsSecret: ['url'] },
  input: z.object({
    workspace: ref,
    integration: ref,
    ...askedScopes,
    private: z.boolean().default(false).describe('Only you may use it, not the whole workspace'),
  }),
  output: startedAuthorisation,
});

export const reconnectConnection = defineOperation({
  name: 'connections.reconnect',
  owner: 'oauth-service',
  summary: 'Start to authorise a connection anew, with the scopes that its triggers need and those asked for: open the URL in a browser',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/connections/{connection}/reconnect', status: 201, revealsSecret: ['url'] },
  input: z.object({ workspace: ref, connection: ref, ...askedScopes }),
  output: startedAuthorisation,
});

export const updateConnection = defineOperation({
  name: 'connections.update',
  owner: 'oauth-service',
  summary: 'Rename a connection, share it with the workspace, or make it yours alone while no trigger uses it',
  access: 'editor',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/connections/{connection}', ifMatch: true },
  input: z.object({ workspace: ref, connection: ref, ifMatch, name: label.nullable().optional(), private: z.boolean().optional() }),
  output: connectionView,
});

export const listConnections = defineOperation({
  name: 'connections.list',
  owner: 'oauth-service',
  summary: 'List connections',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/connections' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(connectionView),
});

export const getConnection = defineOperation({
  name: 'connections.get',
  owner: 'oauth-service',
  summary: 'Read a connection',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/connections/{connection}' },
  input: z.object({ workspace: ref, connection: ref }),
  output: connectionView,
});

/** What the page says that a browser shows before anything is done. */
export const describeAuthorisation = defineOperation({
  name: 'authorisations.describe',
  owner: 'oauth-service',
  summary: 'Who asks for which access',
  access: 'internal',
  input: z.object({ ticket: secretText() }),
  output: z.object({
    actorId: z.string(),
    actorLabel: z.string(),
    workspace: z.string(),
    service: z.string(),
    /** Of the service's page that the browser goes on to. */
    host: z.string(),
    scopes: z.array(z.string()),
    private: z.boolean(),
    /** The account whose connection is authorised anew; null for a new connection. */
    reconnects: z.string().nullable(),
  }),
});
export type AuthorisationDescription = z.infer<typeof describeAuthorisation.output>;

/** First hop of the browser: binds it to the authorisation by a cookie and sends it on to the service. */
export const startAuthorisation = defineOperation({
  name: 'authorisations.start',
  owner: 'oauth-service',
  summary: 'Bind a browser to an authorisation',
  access: 'internal',
  mutates: true,
  input: z.object({ ticket: secretText() }),
  output: z.object({ location: shownSecret(), browserToken: shownSecret(), maxAgeSeconds: z.number().int() }),
});

/** How a new grant differs from what the connection was made with, and what that breaks. */
const grantFinding = z.object({ kind: z.enum(['account', 'scopes']), message: z.string() });
export type GrantFinding = z.infer<typeof grantFinding>;

/** Last hop of the browser: the service sends it back with a code or an error. */
export const finishAuthorisation = defineOperation({
  name: 'authorisations.finish',
  owner: 'oauth-service',
  summary: 'Exchange the code for tokens and store the connection',
  access: 'internal',
  mutates: true,
  deadlineMs: 30_000,
  input: z.object({
    /** The query string of the callback as received, without `?`. */
    query: secretText().max(8000),
    browserToken: secretText().nullable(),
  }),
  output: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('connected'), connection: connectionView }),
    z.object({ outcome: z.literal('differs'), connection: connectionView, findings: z.array(grantFinding), maxAgeSeconds: z.number().int() }),
  ]),
});

/** Asked before what a browser brings back is taken, so that it is recorded under the name of whoever asked for it. */
export const attributeAuthorisation = defineOperation({
  name: 'authorisations.attribute',
  owner: 'oauth-service',
  summary: 'Who asked for the authorisation of a state; null when it is not known',
  access: 'internal',
  input: z.object({ state: secretText().max(200) }),
  output: z
    .object({
      workspaceId: id('workspace'),
      actorId: z.string(),
      actorLabel: z.string(),
      /** The connection that is authorised anew; null for a new one. */
      connectionId: id('connection').nullable(),
    })
    .nullable(),
});

const heldGrant = z.object({ state: secretText().max(200), browserToken: secretText().nullable() });

/** The person has read what the new grant would break, and takes it. */
export const confirmAuthorisation = defineOperation({
  name: 'authorisations.confirm',
  owner: 'oauth-service',
  summary: 'Store a grant that differs from what the connection was made with',
  access: 'internal',
  mutates: true,
  input: heldGrant,
  output: connectionView,
});

/** The person leaves the connection as it is. */
export const discardAuthorisation = defineOperation({
  name: 'authorisations.discard',
  owner: 'oauth-service',
  summary: 'Forget a grant that differs from what the connection was made with',
  access: 'internal',
  mutates: true,
  input: heldGrant,
  output: done,
});

/** Hands out a usable access token; only Vane's own apps ask, and only over the bus. */
export const getAccessToken = defineOperation({
  name: 'connections.token',
  owner: 'oauth-service',
  summary: 'A short-lived access token of a connection',
  access: 'internal',
  deadlineMs: 25_000,
  input: z.object({
    workspace: ref,
    connection: ref,
    /** The generation whose token the service just refused with 401: refresh unless a newer one exists. */
    rejectedGeneration: z.number().int().optional(),
  }),
  output: z.object({
    accessToken: shownSecret(),
    tokenType: z.string(),
    generation: z.number().int(),
    expiresAt: instant.nullable(),
    service: slug,
    hosts,
    accountId: z.string(),
    scopes: z.array(z.string()),
  }),
});

export const refreshDueTokens = defineOperation({
  name: 'connections.refresh-due',
  owner: 'oauth-service',
  summary: 'Refresh tokens that expire soon',
  access: 'internal',
  mutates: true,
  deadlineMs: 60_000,
  input: z.object({ limit: z.number().int().max(200) }),
  output: z.object({ refreshed: z.number().int(), failed: z.number().int(), more: z.boolean() }),
});

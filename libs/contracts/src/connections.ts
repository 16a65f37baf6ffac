import { z } from 'zod';
import { defineOperation } from './operation.js';
import { done, id, ifMatch, instant, label, page, pageQuery, ref, slug, text, webUrl } from './scalars.js';

/** Hosts of a service's profile by their name in the adapter (`api`, `web`, `base`), as absolute URLs. */
export const hosts = z.record(z.string(), webUrl());

export const integrationView = z
  .object({
    id: id('integration'),
    service: slug,
    name: label,
    clientId: z.string(),
    hosts,
    redirectUri: z.string().describe('Enter this as redirect or callback URL at the service'),
    createdAt: instant,
    version: z.number().int(),
  })
  .meta({ id: 'Integration' });
export type IntegrationView = z.infer<typeof integrationView>;

const integrationFields = {
  name: label,
  clientId: text().min(1).max(500),
  clientSecret: text().min(1).max(2000),
  hosts: hosts.describe('Overrides of the hosts in the service profile, for self-hosted and enterprise installations').default({}),
};

export const createIntegration = defineOperation({
  name: 'integrations.create',
  owner: 'oauth-service',
  summary: 'Enter the OAuth client of a service',
  access: 'admin',
  http: { method: 'POST', path: '/workspaces/{workspace}/integrations', status: 201 },
  input: z.object({ workspace: ref, service: slug, ...integrationFields }),
  output: integrationView,
});

export const listIntegrations = defineOperation({
  name: 'integrations.list',
  owner: 'oauth-service',
  summary: 'List integrations',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/integrations' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(integrationView),
});

export const getIntegration = defineOperation({
  name: 'integrations.get',
  owner: 'oauth-service',
  summary: 'Read an integration',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/integrations/{integration}' },
  input: z.object({ workspace: ref, integration: ref }),
  output: integrationView,
});

export const updateIntegration = defineOperation({
  name: 'integrations.update',
  owner: 'oauth-service',
  summary: 'Change an integration; what is left out stays; after other hosts its connections must be authorised again',
  access: 'admin',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/integrations/{integration}', ifMatch: true },
  input: z.object({
    workspace: ref,
    integration: ref,
    ifMatch,
    name: label.optional(),
    clientId: integrationFields.clientId.optional(),
    clientSecret: integrationFields.clientSecret.optional(),
    hosts: hosts.optional(),
  }),
  output: integrationView,
});

export const deleteIntegration = defineOperation({
  name: 'integrations.delete',
  owner: 'oauth-service',
  summary: 'Delete an integration that no connection uses',
  access: 'admin',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/integrations/{integration}' },
  input: z.object({ workspace: ref, integration: ref }),
  output: done,
});

export const CONNECTION_STATUSES = ['active', 'auth_required', 'disconnecting'] as const;

export const connectionView = z
  .object({
    id: id('connection'),
    service: slug,
    integrationId: id('integration'),
    accountId: z.string().describe('Identity of the account at the service'),
    accountLabel: z.string(),
    scopes: z.array(z.string()).describe('Scopes the service granted'),
    status: z.enum(CONNECTION_STATUSES),
    reason: z.string().nullable().describe('Why authorisation is required, in the words of the service'),
    expiresAt: instant.nullable().describe('When the access token expires; null when the service named no time'),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Connection' });
export type ConnectionView = z.infer<typeof connectionView>;

export const authorizeConnection = defineOperation({
  name: 'connections.authorize',
  owner: 'oauth-service',
  summary: 'Start to connect an account: open the URL in a browser',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/connections/authorize', status: 201, revealsSecret: ['url'] },
  input: z.object({
    workspace: ref,
    integration: ref,
    scopes: z.array(text().min(1).max(200)).max(50).default([]).describe('Scopes beyond those every trigger of the service needs'),
  }),
  output: z.object({ url: z.url(), expiresAt: instant }).meta({ id: 'Authorisation' }),
});

export const listConnections = defineOperation({
  name: 'connections.list',
  owner: 'oauth-service',
  summary: 'List connections',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/connections' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(connectionView),
});

export const getConnection = defineOperation({
  name: 'connections.get',
  owner: 'oauth-service',
  summary: 'Read a connection',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/connections/{connection}' },
  input: z.object({ workspace: ref, connection: ref }),
  output: connectionView,
});

export const deleteConnection = defineOperation({
  name: 'connections.delete',
  owner: 'oauth-service',
  summary: 'Disconnect an account that no trigger uses',
  access: 'editor',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/connections/{connection}' },
  input: z.object({ workspace: ref, connection: ref }),
  output: done,
});

/** First hop of the browser: binds it to the authorisation by a cookie and sends it on to the service. */
export const startAuthorisation = defineOperation({
  name: 'authorisations.start',
  owner: 'oauth-service',
  summary: 'Bind a browser to an authorisation',
  access: 'internal',
  mutates: true,
  input: z.object({ ticket: text() }),
  output: z.object({ location: z.string(), browserToken: z.string(), maxAgeSeconds: z.number().int() }),
});

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
    query: text().max(8000),
    browserToken: text().nullable(),
  }),
  output: connectionView,
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
    accessToken: z.string(),
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

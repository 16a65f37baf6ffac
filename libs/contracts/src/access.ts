import { z } from 'zod';
import { defineOperation, ROLES, WORKSPACE_ROLES } from './operation.js';
import { done, id, instant, label, page, pageQuery, ref, shownSecret } from './scalars.js';
import { SCOPE_PATTERN } from './scopes.js';

export const workspaceView = z
  .object({ id: id('workspace'), name: label, createdAt: instant })
  .meta({ id: 'Workspace' });
export type WorkspaceView = z.infer<typeof workspaceView>;

export const tokenView = z
  .object({
    id: id('token'),
    name: label,
    role: z.enum(ROLES),
    scopes: z.array(z.string()).describe('What it may do within its role'),
    createdBy: z.string(),
    createdAt: instant,
    expiresAt: instant.nullable(),
  })
  .meta({ id: 'ApiToken' });
export type TokenView = z.infer<typeof tokenView>;

export const createWorkspace = defineOperation({
  name: 'workspaces.create',
  owner: 'api-gateway',
  summary: 'Create a workspace',
  access: 'superadmin',
  http: { method: 'POST', path: '/workspaces', status: 201 },
  input: z.object({ name: label }),
  output: workspaceView,
});

export const listWorkspaces = defineOperation({
  name: 'workspaces.list',
  owner: 'api-gateway',
  summary: 'List the workspaces you can see',
  access: 'anyone',
  http: { method: 'GET', path: '/workspaces' },
  input: z.object({ ...pageQuery }),
  output: page(workspaceView),
});

export const getWorkspace = defineOperation({
  name: 'workspaces.get',
  owner: 'api-gateway',
  summary: 'Read a workspace',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}' },
  input: z.object({ workspace: ref }),
  output: workspaceView,
});

export const createToken = defineOperation({
  name: 'tokens.create',
  owner: 'api-gateway',
  summary: 'Create an API token; the token itself is shown this once',
  access: 'admin',
  http: { method: 'POST', path: '/workspaces/{workspace}/tokens', status: 201, revealsSecret: ['token'] },
  input: z.object({
    workspace: ref,
    name: label,
    role: z.enum(WORKSPACE_ROLES),
    scopes: z
      .array(z.string().regex(SCOPE_PATTERN, 'is not a scope, such as read or triggers:write'))
      .min(1)
      .max(100)
      .default(['write'])
      .describe('`read` or `write` (which includes reading), for everything or for one resource, as in `triggers:read`'),
    expiresAt: instant.nullish(),
  }),
  output: tokenView.extend({ token: shownSecret() }).meta({ id: 'CreatedApiToken' }),
});

export const listTokens = defineOperation({
  name: 'tokens.list',
  owner: 'api-gateway',
  summary: 'List the API tokens of a workspace',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/tokens' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(tokenView),
});

export const revokeToken = defineOperation({
  name: 'tokens.revoke',
  owner: 'api-gateway',
  summary: 'Revoke an API token at once',
  access: 'admin',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/tokens/{token}' },
  input: z.object({ workspace: ref, token: ref }),
  output: done,
});

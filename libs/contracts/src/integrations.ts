import { z } from 'zod';
import { hosts } from './connections.js';
import { defineOperation } from './operation.js';
import { done, id, ifMatch, instant, label, page, pageQuery, ref, secretText, slug, text } from './scalars.js';

/** What a service made of the client secret that it was last sent. */
export const SECRET_STATES = ['proven', 'unproven', 'refused'] as const;
export type SecretState = (typeof SECRET_STATES)[number];

export const integrationView = z
  .object({
    id: id('integration'),
    service: slug,
    name: label,
    shared: z.boolean().describe('It belongs to the instance, which lets this workspace use it; only a superadmin can change it'),
    clientId: z.string(),
    hosts,
    redirectUri: z.string().describe('Enter this as redirect or callback URL at the service'),
    setupSteps: z.array(z.string()).describe('What to do at the service, in order'),
    secretState: z.enum(SECRET_STATES).describe('What the service made of the client secret: it accepted it, was not asked yet, or refused it'),
    secretChangedAt: instant,
    createdAt: instant,
    version: z.number().int(),
  })
  .meta({ id: 'Integration' });
export type IntegrationView = z.infer<typeof integrationView>;

const clientId = text().min(1).max(500);
const clientSecret = secretText().min(1).max(2000);

const integrationFields = {
  service: slug,
  name: label,
  clientId,
  clientSecret,
  hosts: hosts.describe('Overrides of the hosts in the service profile, for self-hosted and enterprise installations').default({}),
};

const integrationChanges = {
  ifMatch,
  name: label.optional(),
  clientId: clientId.optional(),
  clientSecret: clientSecret.optional().describe('The one before stays in use until the service has accepted this one'),
  hosts: hosts.optional().describe('Other hosts need the client secret in the same request'),
  confirm: z.boolean().default(false).describe('Change client or hosts although connections must then be authorised again'),
};

export const createIntegration = defineOperation({
  name: 'integrations.create',
  owner: 'oauth-service',
  summary: 'Enter the OAuth client of a service',
  access: 'admin',
  http: { method: 'POST', path: '/workspaces/{workspace}/integrations', status: 201 },
  input: z.object({ workspace: ref, ...integrationFields }),
  output: integrationView,
});

export const listIntegrations = defineOperation({
  name: 'integrations.list',
  owner: 'oauth-service',
  summary: 'List the integrations of the workspace, and those of the instance that it may use',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/integrations' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(integrationView),
});

export const getIntegration = defineOperation({
  name: 'integrations.get',
  owner: 'oauth-service',
  summary: 'Read an integration',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/integrations/{integration}' },
  input: z.object({ workspace: ref, integration: ref }),
  output: integrationView,
});

export const updateIntegration = defineOperation({
  name: 'integrations.update',
  owner: 'oauth-service',
  summary: 'Change an integration; what is left out stays; after another client or other hosts its connections must be authorised again',
  access: 'admin',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/integrations/{integration}', ifMatch: true },
  input: z.object({ workspace: ref, integration: ref, ...integrationChanges }),
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

/** Members of `hosts` that a query names: a JSON object in one parameter. */
const hostsInQuery = text()
  .max(4000)
  .transform((value, context) => {
    try {
      return hosts.parse(JSON.parse(value));
    } catch {
      context.addIssue({ code: 'custom', message: 'is not a JSON object of hosts, such as {"base":"https://cloud.example"}' });
      return z.NEVER;
    }
  });

/** Asked before there is an integration: the service hands out a client id only for the redirect URI. */
export const getIntegrationSetup = defineOperation({
  name: 'integrations.setup',
  owner: 'oauth-service',
  summary: 'What to do at a service to get an OAuth client for an integration',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/integration-setup/{service}' },
  input: z.object({ workspace: ref, service: ref, hosts: hostsInQuery.optional().describe('A JSON object of the hosts to be entered') }),
  output: z
    .object({ service: slug, redirectUri: z.string(), setupSteps: z.array(z.string()) })
    .meta({ id: 'IntegrationSetup' }),
});

const isolationExempt = 'Integrations of the instance: only a superadmin may ask';

export const createInstanceIntegration = defineOperation({
  name: 'instance-integrations.create',
  owner: 'oauth-service',
  summary: 'Enter an OAuth client that the instance shares with workspaces',
  access: 'superadmin',
  http: { method: 'POST', path: '/integrations', status: 201, isolationExempt },
  input: z.object(integrationFields),
  output: integrationView,
});

export const listInstanceIntegrations = defineOperation({
  name: 'instance-integrations.list',
  owner: 'oauth-service',
  summary: 'List the integrations of the instance',
  access: 'superadmin',
  http: { method: 'GET', path: '/integrations', isolationExempt },
  input: z.object({ ...pageQuery }),
  output: page(integrationView),
});

export const getInstanceIntegration = defineOperation({
  name: 'instance-integrations.get',
  owner: 'oauth-service',
  summary: 'Read an integration of the instance',
  access: 'superadmin',
  http: { method: 'GET', path: '/integrations/{integration}', isolationExempt },
  input: z.object({ integration: ref }),
  output: integrationView,
});

export const updateInstanceIntegration = defineOperation({
  name: 'instance-integrations.update',
  owner: 'oauth-service',
  summary: 'Change an integration of the instance; after another client or other hosts the connections of every workspace must be authorised again',
  access: 'superadmin',
  http: { method: 'PATCH', path: '/integrations/{integration}', ifMatch: true, isolationExempt },
  input: z.object({ integration: ref, ...integrationChanges }),
  output: integrationView,
});

export const deleteInstanceIntegration = defineOperation({
  name: 'instance-integrations.delete',
  owner: 'oauth-service',
  summary: 'Delete an integration of the instance that no connection of any workspace uses',
  access: 'superadmin',
  http: { method: 'DELETE', path: '/integrations/{integration}', isolationExempt },
  input: z.object({ integration: ref }),
  output: done,
});

export const integrationShareView = z
  .object({
    workspaceId: id('workspace'),
    workspaceName: label,
    connections: z.number().int().describe('Accounts that the workspace has connected with it'),
    since: instant,
  })
  .meta({ id: 'IntegrationShare' });
export type IntegrationShareView = z.infer<typeof integrationShareView>;

export const listIntegrationShares = defineOperation({
  name: 'instance-integrations.shares',
  owner: 'oauth-service',
  summary: 'List the workspaces that may use an integration of the instance',
  access: 'superadmin',
  http: { method: 'GET', path: '/integrations/{integration}/workspaces', isolationExempt },
  input: z.object({ integration: ref, ...pageQuery }),
  output: page(integrationShareView),
});

export const shareIntegration = defineOperation({
  name: 'instance-integrations.share',
  owner: 'oauth-service',
  summary: 'Let a workspace use an integration of the instance',
  access: 'superadmin',
  http: { method: 'PUT', path: '/integrations/{integration}/workspaces/{sharedWith}', isolationExempt },
  input: z.object({ integration: ref, sharedWith: ref }),
  output: done,
});

export const unshareIntegration = defineOperation({
  name: 'instance-integrations.unshare',
  owner: 'oauth-service',
  summary: 'Take an integration of the instance away from a workspace that has no connection with it',
  access: 'superadmin',
  http: { method: 'DELETE', path: '/integrations/{integration}/workspaces/{sharedWith}', isolationExempt },
  input: z.object({ integration: ref, sharedWith: ref }),
  output: done,
});

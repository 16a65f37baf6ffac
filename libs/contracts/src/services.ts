import { z } from 'zod';
import { defineOperation } from './operation.js';
import { jsonObject, ref, slug, text } from './scalars.js';

export const triggerTypeView = z
  .object({
    id: slug,
    label: z.string(),
    description: z.string(),
    configSchema: jsonObject.describe('JSON Schema of `config`, with form hints'),
    needsConnection: z.boolean(),
    scopes: z.array(z.string()),
    pickers: z.array(z.object({ name: z.string(), field: z.string().describe('The config field it offers values for') })),
    starterScript: z.string(),
    capabilities: jsonObject.describe('What the adapter can do, as data'),
  })
  .meta({ id: 'TriggerType' });

export const serviceView = z
  .object({
    id: slug,
    label: z.string(),
    docsUrl: z.string(),
    icon: z.string().describe('SVG'),
    hosts: z.array(z.object({ name: z.string(), url: z.string().nullable().describe('null: must be given by the integration') })),
    setupSteps: z.array(z.string()),
    usesOAuth: z.boolean(),
    triggerTypes: z.array(triggerTypeView),
  })
  .meta({ id: 'Service' });
export type ServiceView = z.infer<typeof serviceView>;

const exempt = 'Describes installed adapters; the same for every workspace';

export const listServices = defineOperation({
  name: 'services.list',
  owner: 'trigger-service',
  summary: 'List the services Vane has an adapter for',
  access: 'anyone',
  http: { method: 'GET', path: '/services', isolationExempt: exempt },
  input: z.object({}),
  output: z.object({ items: z.array(serviceView) }),
});

export const getService = defineOperation({
  name: 'services.get',
  owner: 'trigger-service',
  summary: 'Read what an adapter can do: config schema, pickers, setup steps, starter scripts',
  access: 'anyone',
  http: { method: 'GET', path: '/services/{service}', isolationExempt: exempt },
  input: z.object({ service: ref }),
  output: serviceView,
});

export const pick = defineOperation({
  name: 'pickers.pick',
  owner: 'trigger-service',
  summary: 'Offer values for a config field, read from the connected account',
  access: 'editor',
  deadlineMs: 25_000,
  http: { method: 'GET', path: '/workspaces/{workspace}/connections/{connection}/pickers/{triggerType}/{picker}' },
  input: z.object({
    workspace: ref,
    connection: ref,
    triggerType: ref,
    picker: ref,
    q: text().max(200).optional(),
    cursor: text().max(2000).optional(),
    parent: text().max(500).optional().describe('`inside` of an item: lists what is in it'),
  }),
  output: z
    .object({
      items: z.array(
        z.object({
          value: z.string().nullable().describe('null: can only be walked into'),
          label: z.string(),
          description: z.string().optional(),
          inside: z.string().optional().describe('Given as `parent` it lists what is inside'),
          also: z.record(z.string(), z.string()).optional().describe('Values of other config fields that go with it'),
        }),
      ),
      next: z.string().nullable(),
    })
    .meta({ id: 'PickerPage' }),
});

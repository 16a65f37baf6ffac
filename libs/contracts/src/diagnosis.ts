import { z } from 'zod';
import { defineOperation } from './operation.js';
import { id, jsonObject, label, ref } from './scalars.js';
import { createTrigger } from './triggers.js';

/** What an event passes from the service to the end of its run, in this order. */
export const DIAGNOSIS_LAYERS = ['connection', 'subscription', 'provider', 'delivery_log', 'ingress', 'pull', 'filter', 'queue', 'run'] as const;
export type DiagnosisLayer = (typeof DIAGNOSIS_LAYERS)[number];

export const layerView = z
  .object({
    layer: z.enum(DIAGNOSIS_LAYERS),
    state: z.enum(['ok', 'broken', 'unknown', 'skipped']).describe('unknown: could not be found out; skipped: there is no such layer, or nothing has come so far'),
    message: z.string(),
    fix: z.string().nullable().describe('What to do where it is broken'),
    facts: jsonObject,
  })
  .meta({ id: 'DiagnosisLayer' });
export type LayerView = z.infer<typeof layerView>;

/** Calls the service as the connected account, as `triggers.provider-view` does. */
export const diagnoseTrigger = defineOperation({
  name: 'triggers.diagnosis',
  owner: 'trigger-service',
  summary: 'Find out why a trigger does not run: every layer from the connection to the last run, with the service asked for its view',
  access: 'editor',
  deadlineMs: 25_000,
  http: { method: 'GET', path: '/workspaces/{workspace}/triggers/{trigger}/diagnosis' },
  input: z.object({ workspace: ref, trigger: ref }),
  output: z
    .object({ trigger: id('trigger'), name: label, layers: z.array(layerView), firstBroken: z.enum(DIAGNOSIS_LAYERS).nullable() })
    .meta({ id: 'Diagnosis' }),
});

export const checkView = z
  .object({
    id: z.string(),
    label: z.string(),
    state: z.enum(['ok', 'failed', 'unknown', 'skipped']),
    message: z.string(),
    fix: z.string().nullable(),
  })
  .meta({ id: 'PreflightCheck' });
export type CheckView = z.infer<typeof checkView>;

export const preflightTrigger = defineOperation({
  name: 'triggers.preflight',
  owner: 'trigger-service',
  summary: 'Look whether a trigger could be created: address, clock, scopes, and what the service demands; nothing is registered',
  access: 'editor',
  mutates: false,
  deadlineMs: 25_000,
  http: { method: 'POST', path: '/workspaces/{workspace}/triggers/preflight', status: 200 },
  input: createTrigger.input.pick({ workspace: true, service: true, type: true, connectionId: true, config: true }),
  output: z.object({ ok: z.boolean().describe('No check has failed'), checks: z.array(checkView) }).meta({ id: 'Preflight' }),
});

export const locateTrigger = defineOperation({
  name: 'triggers.locate',
  owner: 'trigger-service',
  summary: 'Find the workspace of a trigger',
  access: 'superadmin',
  http: { method: 'GET', path: '/triggers/{trigger}', isolationExempt: 'Only superadmins, who see every workspace, may ask' },
  input: z.object({ trigger: ref }),
  output: z.object({ id: id('trigger'), workspaceId: id('workspace'), name: label }).meta({ id: 'TriggerLocation' }),
});

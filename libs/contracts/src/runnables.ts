import { z } from 'zod';
import { defineOperation } from './operation.js';
import { done, id, ifMatch, instant, label, page, pageQuery, ref, secretText, shownSecret, text, webUrl } from './scalars.js';

export const RUNNABLE_KINDS = ['script', 'http'] as const;

/** How often and how patiently a run is tried. Backoff doubles from `backoffMs` with full jitter. */
export const retryPolicy = z
  .object({
    maxAttempts: z.number().int().min(1).max(20).default(5),
    backoffMs: z.number().int().min(100).max(3_600_000).default(1000),
    atMostOnce: z.boolean().default(false).describe('A run cut off by a crash ends `interrupted` instead of being tried again'),
  })
  .meta({ id: 'RetryPolicy' });
export type RetryPolicy = z.infer<typeof retryPolicy>;

export const scriptSpec = z
  .object({
    kind: z.literal('script'),
    language: z.enum(['typescript', 'javascript']).default('typescript'),
    code: text().min(1).max(131_072).describe('A module with `export async function main(event, ctx)`: one file, no imports; fetch, URL, crypto, console, timers'),
    timeoutMs: z.number().int().min(100).max(900_000).default(60_000),
    memoryMb: z.number().int().min(16).max(512).default(64),
  })
  .meta({ id: 'ScriptSpec' });

export const httpSpec = z
  .object({
    kind: z.literal('http'),
    url: webUrl().max(2000),
    timeoutMs: z.number().int().min(100).max(120_000).default(15_000),
  })
  .meta({ id: 'HttpSpec' });

export const runnableSpec = z.discriminatedUnion('kind', [scriptSpec, httpSpec]).meta({ id: 'RunnableSpec' });
export type RunnableSpec = z.infer<typeof runnableSpec>;

const defaultRetry = { maxAttempts: 5, backoffMs: 1000, atMostOnce: false };

export const runnableView = z
  .object({
    id: id('runnable'),
    name: label,
    kind: z.enum(RUNNABLE_KINDS),
    spec: runnableSpec,
    retry: retryPolicy,
    createdAt: instant,
    updatedAt: instant,
    version: z.number().int(),
  })
  .meta({ id: 'Runnable' });
export type RunnableView = z.infer<typeof runnableView>;

export const createRunnable = defineOperation({
  name: 'runnables.create',
  owner: 'trigger-service',
  summary: 'Create a script or an HTTP target; the signing secret of an HTTP target is shown this once',
  access: 'editor',
  http: { method: 'POST', path: '/workspaces/{workspace}/runnables', status: 201, revealsSecret: ['secret'] },
  input: z.object({ workspace: ref, name: label, spec: runnableSpec, retry: retryPolicy.default(defaultRetry) }),
  output: runnableView
    .extend({ secret: shownSecret().nullable().describe('Standard Webhooks secret (whsec_...) that receivers verify calls with') })
    .meta({ id: 'CreatedRunnable' }),
});

export const listRunnables = defineOperation({
  name: 'runnables.list',
  owner: 'trigger-service',
  summary: 'List runnables',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/runnables' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(runnableView),
});

export const getRunnable = defineOperation({
  name: 'runnables.get',
  owner: 'trigger-service',
  summary: 'Read a runnable',
  access: 'operator',
  http: { method: 'GET', path: '/workspaces/{workspace}/runnables/{runnable}' },
  input: z.object({ workspace: ref, runnable: ref }),
  output: runnableView,
});

export const updateRunnable = defineOperation({
  name: 'runnables.update',
  owner: 'trigger-service',
  summary: 'Rename or change a runnable; its triggers stay, and runs not yet started use the new version',
  access: 'editor',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/runnables/{runnable}', ifMatch: true },
  input: z.object({
    workspace: ref,
    runnable: ref,
    ifMatch,
    name: label.optional(),
    spec: runnableSpec.optional(),
    retry: retryPolicy.optional(),
  }),
  output: runnableView,
});

export const deleteRunnable = defineOperation({
  name: 'runnables.delete',
  owner: 'trigger-service',
  summary: 'Delete a runnable; triggers that used it are disabled and listed',
  access: 'editor',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/runnables/{runnable}' },
  input: z.object({ workspace: ref, runnable: ref }),
  output: z
    .object({ ok: z.literal(true), disabledTriggers: z.array(z.object({ id: id('trigger'), name: label })) })
    .meta({ id: 'DeletedRunnable' }),
});

export const secretName = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'is not a secret name (A-Z, 0-9, _)');

export const secretView = z.object({ name: secretName, updatedAt: instant }).meta({ id: 'Secret' });

export const putSecret = defineOperation({
  name: 'secrets.put',
  owner: 'trigger-service',
  summary: 'Set a secret that runnables read as ctx.secrets.NAME; it is never shown again',
  access: 'editor',
  http: { method: 'PUT', path: '/workspaces/{workspace}/secrets/{name}' },
  input: z.object({ workspace: ref, name: secretName, value: secretText().min(1).max(20_000) }),
  output: secretView,
});

export const listSecrets = defineOperation({
  name: 'secrets.list',
  owner: 'trigger-service',
  summary: 'List the names of secrets',
  access: 'editor',
  http: { method: 'GET', path: '/workspaces/{workspace}/secrets' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(secretView),
});

export const deleteSecret = defineOperation({
  name: 'secrets.delete',
  owner: 'trigger-service',
  summary: 'Delete a secret',
  access: 'editor',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/secrets/{name}' },
  input: z.object({ workspace: ref, name: ref }),
  output: done,
});

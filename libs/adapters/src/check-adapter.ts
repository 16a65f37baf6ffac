import { compileVerifier, parsePointer, unknownPlaceholders, type Adapter, type TriggerType } from '@vane/kit';
import { z } from 'zod';
import { configSchemaOf } from './describe.js';

const SLUG = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * What is wrong with a value that should be an adapter, one sentence each; empty when nothing is. Only what can be told
 * without calling it: the conformance suite in its folder does the rest.
 */
export function faultsOf(value: unknown): string[] {
  const shape = adapterShape.safeParse(value);
  if (!shape.success) return shape.error.issues.map(({ path, message }) => `${path.join('.') || 'adapter'}: ${message}`);
  const adapter = value as Adapter;
  return [
    ...faultsOfOAuth(adapter),
    ...unknownPlaceholders(adapter).map((placeholder) => `setupSteps: '${placeholder}' is neither {redirectUri} nor {hosts.NAME} of a host`),
    ...Object.entries(adapter.triggerTypes).flatMap(([id, type]) =>
      faultsOfTriggerType(id, type).map((fault) => `triggerTypes.${id}: ${fault}`),
    ),
  ];
}

const callable = z.custom<() => unknown>((value) => typeof value === 'function', 'must be a function');
const text = z.string().min(1, 'must not be empty');

const triggerTypeShape = z.object({
  label: text,
  description: text,
  config: z.custom<z.ZodObject>((value) => value instanceof z.ZodObject, 'must be a z.strictObject'),
  summary: callable,
  starterScript: text,
  scopes: z.array(z.string()),
  sharing: z.enum(['feed', 'trigger']),
  plan: callable,
  webhook: z.object({
    verification: z.union([callable, z.object({ kind: z.string() })]),
    methods: z.array(z.string().regex(/^[A-Z]+$/, 'must be an HTTP method in upper case')).min(1),
    ackDeadlineMs: z.number().positive(),
    retries: z.boolean(),
    keepHeaders: z.union([callable, z.array(z.string().regex(/^[^A-Z\s]+$/, 'must be a header name in lower case'))]),
    normalise: callable.optional(),
    bindings: z.array(z.object({ header: z.string().regex(/^[^A-Z\s]+$/, 'must be a header name in lower case') })).optional(),
  }),
  remote: z.object({ register: callable, remove: callable }).optional(),
  pull: z.object({ begin: callable, page: callable, replay: callable }).optional(),
});

const adapterShape = z.object({
  id: z.string().regex(SLUG, 'must be a slug (a-z, 0-9, -)'),
  label: text,
  docsUrl: z.url(),
  icon: z.string().regex(/^\s*<svg[\s>]/, 'must be the text of an SVG'),
  hosts: z.record(z.string(), z.union([z.null(), z.url()])),
  setupSteps: z.array(z.string()),
  triggerTypes: z
    .record(z.string().regex(SLUG, 'must be a slug (a-z, 0-9, -)'), triggerTypeShape)
    .refine((types) => Object.keys(types).length > 0, 'must hold at least one trigger type'),
});

function faultsOfOAuth({ oauth, hosts }: Adapter): string[] {
  if (!oauth) return [];
  const { authorize, token, revoke } = oauth;
  const endpoints = { authorize, token, ...(revoke && 'endpoint' in revoke ? { revoke: revoke.endpoint } : {}) };
  return Object.entries(endpoints)
    .filter(([, { host }]) => !Object.hasOwn(hosts, host))
    .map(([name, { host }]) => `oauth.${name}: host '${host}' is not among the hosts (${Object.keys(hosts).join(', ')})`);
}

function faultsOfTriggerType(id: string, type: TriggerType): string[] {
  const { verification, redact = [] } = type.webhook;
  const faults: string[] = [];
  const attempt = (what: string, check: () => void): void => {
    try {
      check();
    } catch (error) {
      faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  attempt('config cannot be shown as a form', () => void configSchemaOf(type));
  for (const { pointer } of redact) attempt('redact', () => void parsePointer(pointer));
  if (!type.webhook.normalise && !type.pull) faults.push('webhook.normalise: must be a function where the type has no pull');
  if (typeof verification !== 'function') {
    attempt('verification', () => void compileVerifier(verification, []));
    if (verification.kind === 'none') faults.push('verification: none may only be chosen by name in a config');
  }
  for (const [name, picker] of Object.entries(type.pickers ?? {})) {
    if (!Object.hasOwn(type.config.shape, picker.field)) {
      faults.push(`picker '${name}' of ${id} offers values for '${picker.field}', which is no config field`);
    }
  }
  return faults;
}

import type { ServiceView } from '@vane/contracts';
import { setupSteps, type Adapter, type TriggerType } from '@vane/kit';
import { z } from 'zod';

type TriggerTypeView = ServiceView['triggerTypes'][number];

/** What API and console show of an adapter. Config schemas are JSON Schema 2020-12 of what a person enters. */
export function describeAdapter(adapter: Adapter): ServiceView {
  return {
    id: adapter.id,
    label: adapter.label,
    docsUrl: adapter.docsUrl,
    icon: adapter.icon,
    hosts: Object.entries(adapter.hosts).map(([name, url]) => ({ name, url })),
    setupSteps: setupSteps(adapter),
    usesOAuth: adapter.oauth !== undefined,
    triggerTypes: Object.entries(adapter.triggerTypes).map(([id, type]) => describeTriggerType(adapter, id, type)),
  };
}

function describeTriggerType(adapter: Adapter, id: string, type: TriggerType): TriggerTypeView {
  return {
    id,
    label: type.label,
    description: type.description,
    configSchema: configSchemaOf(type),
    needsConnection: adapter.oauth !== undefined,
    scopes: [...new Set([...(adapter.oauth?.baseScopes ?? []), ...type.scopes])],
    pickers: Object.entries(type.pickers ?? {}).map(([name, { field }]) => ({ name, field })),
    starterScript: type.starterScript,
    capabilities: capabilitiesOf(type),
  };
}

/** JSON Schema of a trigger type's config. @throws when it uses what JSON Schema cannot say. */
export function configSchemaOf(type: TriggerType): TriggerTypeView['configSchema'] {
  return z.toJSONSchema(type.config, { io: 'input', target: 'draft-2020-12' }) as TriggerTypeView['configSchema'];
}

function capabilitiesOf({ remote, pull, sharing, union, matches, webhook }: TriggerType): TriggerTypeView['capabilities'] {
  const { verification } = webhook;
  return {
    /** Whether Vane registers at the service, or a person enters URL and secret there. */
    registersItself: remote !== undefined,
    /** Whether events are fetched, because what the service sends does not carry them. */
    fetchesEvents: pull !== undefined,
    /** Whether the service shows the subscriptions it holds. */
    listsSubscriptions: remote?.list !== undefined,
    sharing,
    widensSharedSubscription: union !== undefined,
    matchesLocally: matches !== undefined,
    verification: typeof verification === 'function' ? 'by-config' : verification.kind,
    checksTimestamp:
      typeof verification === 'function' ? 'by-config' : verification.kind === 'hmac' && verification.timestamp !== undefined,
    methods: webhook.methods,
    ackDeadlineMs: webhook.ackDeadlineMs,
    retries: webhook.retries,
    handshake: webhook.handshake !== undefined,
    ping: webhook.isPing !== undefined,
    redacts: (webhook.redact ?? []).map(({ pointer }) => pointer),
  };
}

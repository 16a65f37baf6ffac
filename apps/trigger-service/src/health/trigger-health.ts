import type { HealthView } from '@vane/contracts';
import type { HealthFacts } from './health-facts.js';
import { hintOf } from './hints.js';
import { findingsOf, worst, type Finding, type TriggerFact } from './judge.js';

const HEALTHY: HealthView = { state: 'healthy', layer: null, reason: null, hint: null, since: null };

/** How triggers are, worked out from rows when somebody asks; nothing is stored. */
export class TriggerHealth {
  constructor(private readonly facts: HealthFacts) {}

  /** Of triggers of one workspace, by id. */
  async of(workspaceId: string, triggers: readonly TriggerFact[]): Promise<Map<string, HealthView>> {
    if (triggers.length === 0) return new Map();
    const facts = await this.facts.of(workspaceId, triggers);
    return new Map(triggers.map((trigger) => [trigger.id, viewOf(worst(findingsOf(trigger, facts)))]));
  }
}

function viewOf(finding: Finding | null): HealthView {
  if (!finding) return HEALTHY;
  const { layer, state, reason, since } = finding;
  return { state, layer, reason, hint: hintOf(layer, reason.code), since: since?.toISOString() ?? null };
}

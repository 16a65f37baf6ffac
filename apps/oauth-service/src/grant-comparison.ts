import { Injectable } from '@nestjs/common';
import { getConnectionUses, type CallContext, type ConnectionUses, type GrantFinding } from '@vane/contracts';
import { missingScopes } from '@vane/kit';
import { Bus } from '@vane/runtime';
import type { ConnectionRow } from './connection-store.js';
import type { Grant } from './grant.js';
import { ServiceCatalog } from './service-catalog.js';

const NAMED = 10;

/** Says what a new grant would break of what works with a connection. */
@Injectable()
export class GrantComparison {
  constructor(
    private readonly bus: Bus,
    private readonly catalog: ServiceCatalog,
  ) {}

  /** Empty when it is the same account, and no scope that a trigger needs is lost. Asks trigger-service only otherwise. */
  async findings(connection: ConnectionRow, grant: Grant, call: CallContext): Promise<GrantFinding[]> {
    const { adapter, profile } = this.catalog.oauth(connection.service);
    const otherAccount = connection.accountId !== grant.accountId;
    if (!otherAccount && missingScopes(profile, grant.scopes, connection.scopes).length === 0) return [];
    const uses = await this.bus.ask(getConnectionUses, { workspace: connection.workspaceId, connection: connection.id }, call);
    const findings: GrantFinding[] = [];
    if (otherAccount) findings.push({ kind: 'account', message: otherAccountMessage(adapter.label, connection.accountLabel, grant.accountLabel, uses) });
    // What was missing before is not lost.
    const lost = missingScopes(profile, grant.scopes, uses.scopes).filter((scope) => missingScopes(profile, connection.scopes, [scope]).length === 0);
    if (lost.length > 0) findings.push({ kind: 'scopes', message: lostScopesMessage(adapter.label, lost, uses) });
    return findings;
  }
}

function otherAccountMessage(service: string, before: string, after: string, { triggers, triggerCount }: ConnectionUses): string {
  const change = `This connection works as ${before}; the account that granted access is ${after}.`;
  if (triggerCount === 0) return `${change} No trigger uses it.`;
  const what = triggerCount === 1 ? 'One trigger would work' : `${triggerCount} triggers would work`;
  const hooks = `What Vane has registered at ${service} for ${triggerCount === 1 ? 'it' : 'them'} would be changed or made anew as ${after}, which fails where ${after} may not do that.`;
  return `${change} ${what} as ${after}: ${named(triggers.map(({ name }) => name), triggerCount)}. ${hooks}`;
}

function lostScopesMessage(service: string, lost: string[], { triggers, triggerCount }: ConnectionUses): string {
  const stopped = triggers.filter(({ scopes }) => scopes.some((scope) => lost.includes(scope))).map(({ name }) => name);
  if (stopped.length === 0 && triggerCount <= triggers.length) {
    return `${service} did not grant ${lost.join(', ')} any more. Without, what deleted triggers have left there cannot be removed.`;
  }
  const unseen = triggerCount > triggers.length ? ', and maybe others' : '';
  return `${service} did not grant ${lost.join(', ')} any more. Without, these triggers cease to work: ${named(stopped, stopped.length)}${unseen}.`;
}

const named = (names: string[], count: number): string => {
  const shown = names.slice(0, NAMED).map((name) => `"${name}"`).join(', ');
  return count > Math.min(names.length, NAMED) ? `${shown} and ${count - Math.min(names.length, NAMED)} more` : shown;
};

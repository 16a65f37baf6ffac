import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { connectionChanged, VaneError, type CallContext, type createInstanceIntegration, type InputOf, type updateInstanceIntegration } from '@vane/contracts';
import { Database, newId, type Integration, type Prisma } from '@vane/db';
import type { Adapter } from '@vane/kit';
import { Bus, Clock } from '@vane/runtime';
import { ClientSecrets } from './client-secrets.js';
import { endedGrant, GRANT_ENDS, unauthorised, type GrantEnd } from './grant-health.js';
import { IntegrationUsers } from './integration-users.js';
import { hostsOf } from './integration-view.js';
import { ServiceCatalog } from './service-catalog.js';

type Entered = InputOf<typeof createInstanceIntegration>;
type Columns = Prisma.IntegrationUpdateManyMutationInput;
type Change = Omit<InputOf<typeof updateInstanceIntegration>, 'integration'>;

/** Enters, changes and deletes integrations, of a workspace (`owner`) or of the instance (null). */
@Injectable()
export class IntegrationEditor {
  constructor(
    private readonly database: Database,
    private readonly secrets: ClientSecrets,
    private readonly catalog: ServiceCatalog,
    private readonly users: IntegrationUsers,
    private readonly clock: Clock,
    private readonly bus: Bus,
  ) {}

  /** @throws VaneError `unknown_service`, `invalid_config`, `url_not_allowed` */
  async create(owner: string | null, { service, name, clientId, clientSecret, hosts: given }: Entered): Promise<Integration> {
    const { adapter } = this.catalog.oauth(service);
    const hosts = this.catalog.checkHosts(adapter, given);
    const now = this.clock.now();
    const id = newId('integration', now);
    const row = { id, workspaceId: owner };
    const data = { ...row, service, name, clientId, hosts, ...(await this.secrets.first(row, clientSecret)), version: 1, createdAt: now, updatedAt: now };
    return this.database.prisma.$transaction(async (tx) => {
      const made = await tx.integration.create({ data });
      if (owner !== null) await tx.integrationUse.create({ data: { workspaceId: owner, integrationId: id, createdAt: now } });
      return made;
    });
  }

  /**
   * Changes what is given. The tokens of another client, and those of other hosts, are worth nothing to the new ones: the
   * connections must then be authorised anew, and authorisations under way start again.
   *
   * @throws VaneError `precondition_failed` when the version read is no longer the current one, `confirmation_required` when
   * connections would have to be authorised anew and that was not confirmed, `invalid_config`, `url_not_allowed`
   */
  async update(before: Integration, change: Change, call: CallContext): Promise<Integration> {
    if (before.version !== change.ifMatch) throw changedMeanwhile(change.ifMatch);
    const { adapter } = this.catalog.oauth(before.service);
    const hosts = change.hosts && this.catalog.checkHosts(adapter, change.hosts);
    if (hosts && change.clientSecret === undefined) refuseOtherOrigins(adapter, before, hosts);
    const end = endOfGrants(adapter, before, { ...change, hosts });
    const now = this.clock.now();
    const data = {
      name: change.name,
      clientId: change.clientId,
      hosts,
      ...(await this.secrets.changed(before, change.clientSecret, end !== undefined)),
      version: { increment: 1 },
      updatedAt: now,
    };
    const cutOff = await this.write(before, { change, data, end, now }).catch(async (error: unknown) => {
      throw error instanceof Unconfirmed ? await this.users.confirmation(before, call) : error;
    });
    for (const connection of cutOff) {
      this.bus.publishSignal(connectionChanged, { workspaceId: connection.workspaceId, connectionId: connection.id, status: 'auth_required' });
    }
    return this.database.prisma.integration.findUniqueOrThrow({ where: { id: before.id } });
  }

  /** Returns the connections that worked and must be authorised anew. @throws Unconfirmed */
  private write({ id, workspaceId }: Integration, { change, data, end, now }: { change: Change; data: Columns; end: GrantEnd | undefined; now: Date }) {
    const where = { id, workspaceId, version: change.ifMatch };
    return this.database.prisma.$transaction(async (tx) => {
      if ((await tx.integration.updateMany({ where, data })).count === 0) throw changedMeanwhile(change.ifMatch);
      // Grants that are being stored hold these rows.
      await tx.integrationUse.updateMany({ where: { integrationId: id }, data: { integrationId: id } });
      // What refused refreshes may be mended now, so they need not wait out their pause.
      await tx.connection.updateMany({ where: { integrationId: id, refreshFailures: { gt: 0 } }, data: { refreshFailures: 0, refreshAt: now } });
      if (!end) return [];
      if (!change.confirm && (await tx.connection.count({ where: { integrationId: id } })) > 0) throw new Unconfirmed();
      await tx.authorisation.deleteMany({ where: { integrationId: id, usedAt: null } });
      const renewed = { generation: { increment: 1 } };
      // Tokens under way are the old client's, whatever the status. One that was over before keeps why, and since when.
      const unmarked = { OR: [{ reasonCode: null }, { reasonCode: { notIn: [...GRANT_ENDS] } }] };
      await tx.connection.updateMany({ where: { integrationId: id, status: 'disconnecting', ...unmarked }, data: endedGrant(end, now) });
      await tx.connection.updateMany({ where: { integrationId: id, status: { not: 'active' } }, data: renewed });
      const working = { integrationId: id, status: 'active' };
      return tx.connection.updateManyAndReturn({ where: working, data: { ...unauthorised(end, now), ...renewed }, select: { id: true, workspaceId: true } });
    });
  }

  /** @throws VaneError `in_use` while connections exist, in whichever workspace */
  async delete(row: Integration): Promise<void> {
    const { id, workspaceId } = row;
    await this.users.refuseUsed(row);
    await this.database.prisma.authorisation.deleteMany({ where: { integrationId: id } });
    try {
      await this.database.prisma.integration.deleteMany({ where: { id, workspaceId } });
    } catch (error) {
      // The foreign key notices a connection that was made meanwhile.
      if ((error as { code?: string }).code !== 'P2003') throw error;
      throw new VaneError('in_use', `The integration "${row.name}" was used for a new connection just now. Disconnect that first.`, { cause: error });
    }
  }
}

/** Connections stand in the way of a change that nobody has confirmed. */
class Unconfirmed extends Error {}

/** Why the grants of an integration are over after a change; undefined when they go on. */
function endOfGrants(adapter: Adapter, before: Integration, { name = before.name, clientId, hosts }: Pick<Change, 'name' | 'clientId' | 'hosts'>): GrantEnd | undefined {
  const anew = 'Connect the account again.';
  if (hosts && !sameHosts(adapter, hosts, hostsOf(before))) {
    return { code: 'hosts_changed', reason: `The hosts of the integration "${name}" were changed, and no token of the old ones is sent to the new ones. ${anew}` };
  }
  if (clientId !== undefined && clientId !== before.clientId) {
    return { code: 'client_changed', reason: `The integration "${name}" has another OAuth client by now, which cannot renew what was granted to the one before. ${anew}` };
  }
  return undefined;
}

/** Whether overrides lead to the same hosts: to name what the profile has anyway changes nothing. */
const sameHosts = ({ hosts }: Pick<Adapter, 'hosts'>, one: Record<string, string>, other: Record<string, string>): boolean =>
  isDeepStrictEqual({ ...hosts, ...one }, { ...hosts, ...other });

/** The stored client secret is for the hosts it was entered for: it is not sent to others because somebody names them. */
function refuseOtherOrigins(adapter: Adapter, before: Integration, hosts: Record<string, string>): void {
  const originOf = (overrides: Record<string, string>, name: string) => new URL(overrides[name] ?? adapter.hosts[name] ?? 'about:blank').origin;
  if (Object.keys(adapter.hosts).every((name) => originOf(hosts, name) === originOf(hostsOf(before), name))) return;
  throw new VaneError('invalid_config', 'The client secret is not sent to other hosts than it was entered for. Give the client secret together with the new hosts.', {
    fields: [{ path: 'clientSecret', message: 'must be given together with other hosts' }],
  });
}

const changedMeanwhile = (ifMatch: number): VaneError =>
  new VaneError('precondition_failed', `The integration is not at version ${ifMatch} any more. Read it again, then repeat the change.`);

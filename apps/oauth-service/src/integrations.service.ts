import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { connectionChanged, VaneError, type createIntegration, type InputOf, type IntegrationView, type updateIntegration } from '@vane/contracts';
import { Database, newId, Vault, type Integration, pageOf, type PageInput } from '@vane/db';
import type { Adapter } from '@vane/kit';
import { Bus, Clock } from '@vane/runtime';
import { unauthorised } from './connection-store.js';
import type { OAuthParty } from './oauth-party.js';
import { PublicUrls } from './public-urls.js';
import { ServiceCatalog } from './service-catalog.js';

/** OAuth clients of a workspace: entered, checked, kept with their secret encrypted. */
@Injectable()
export class IntegrationsService {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly catalog: ServiceCatalog,
    private readonly clock: Clock,
    private readonly urls: PublicUrls,
    private readonly bus: Bus,
  ) {}

  async create(input: InputOf<typeof createIntegration>): Promise<IntegrationView> {
    const { adapter } = this.catalog.oauth(input.service);
    const hosts = this.catalog.checkHosts(adapter, input.hosts);
    const now = this.clock.now();
    const id = newId('integration', now);
    const data = {
      id,
      workspaceId: input.workspace,
      service: input.service,
      name: input.name,
      clientId: input.clientId,
      clientSecretEnc: await this.vault.encrypt(input.clientSecret, secretPlace({ id, workspaceId: input.workspace })),
      secretState: 'unproven',
      secretChangedAt: now,
      hosts,
      version: 1,
      createdAt: now,
      updatedAt: now,
    };
    return this.database.forWorkspace(input.workspace).$transaction(async (tx) => {
      const row = await tx.integration.create({ data });
      await tx.integrationUse.create({ data: { workspaceId: input.workspace, integrationId: id, createdAt: now } });
      return this.view(row);
    });
  }

  async list(input: PageInput & { workspace: string }): Promise<{ items: IntegrationView[]; next: string | null }> {
    return pageOf(input, (page) => this.database.forWorkspace(input.workspace).integration.findMany(page), (row) => this.view(row));
  }

  async get(workspace: string, id: string): Promise<IntegrationView> {
    return this.view(await this.row(workspace, id));
  }

  /**
   * Changes what is given. Other hosts are strangers to the tokens of the old ones, so the connections must be authorised
   * anew then, and authorisations under way start again.
   *
   * @throws VaneError `precondition_failed` when the version read is no longer the current one
   */
  async update(input: InputOf<typeof updateIntegration>): Promise<IntegrationView> {
    const { workspace, integration: id, ifMatch } = input;
    const before = await this.row(workspace, id);
    const { adapter } = this.catalog.oauth(before.service);
    const now = this.clock.now();
    const hosts = input.hosts && this.catalog.checkHosts(adapter, input.hosts);
    const moved = hosts !== undefined && !sameHosts(adapter, hosts, hostsOf(before));
    const data = {
      name: input.name,
      clientId: input.clientId,
      hosts,
      clientSecretEnc: input.clientSecret === undefined ? undefined : await this.vault.encrypt(input.clientSecret, secretPlace(before)),
      version: { increment: 1 },
      updatedAt: now,
    };
    const cutOff = await this.database.forWorkspace(workspace).$transaction(async (tx) => {
      const { count } = before.version === ifMatch ? await tx.integration.updateMany({ where: { id, version: ifMatch }, data }) : { count: 0 };
      if (count === 0) throw changedMeanwhile(ifMatch);
      await tx.integrationUse.updateMany({ where: { integrationId: id }, data: { integrationId: id } });
      // What refused refreshes may be mended now, so they need not wait out their pause.
      await tx.connection.updateMany({ where: { integrationId: id, refreshFailures: { gt: 0 } }, data: { refreshFailures: 0, refreshAt: now } });
      if (!moved) return [];
      await tx.authorisation.deleteMany({ where: { integrationId: id, usedAt: null } });
      const reason = `The hosts of the integration "${input.name ?? before.name}" were changed, and no token of the old ones is sent to the new ones. Connect the account again.`;
      const columns = { ...unauthorised(reason, now), generation: { increment: 1 } };
      return tx.connection.updateManyAndReturn({ where: { integrationId: id }, data: columns, select: { id: true } });
    });
    for (const { id: connectionId } of cutOff) this.bus.publishSignal(connectionChanged, { workspaceId: workspace, connectionId, status: 'auth_required' });
    return this.view(await this.row(workspace, id));
  }

  /** @throws VaneError `in_use` while connections exist */
  async delete(workspace: string, id: string): Promise<void> {
    const { name } = await this.row(workspace, id);
    const scoped = this.database.forWorkspace(workspace);
    const connections = await scoped.connection.count({ where: { integrationId: id } });
    if (connections > 0) {
      throw new VaneError('in_use', `The integration "${name}" is used by ${connections} connection${connections === 1 ? '' : 's'}. Delete ${connections === 1 ? 'it' : 'them'} first.`);
    }
    await scoped.authorisation.deleteMany({ where: { integrationId: id } });
    try {
      await scoped.integration.deleteMany({ where: { id } });
    } catch (error) {
      // The foreign key notices a connection that was made meanwhile.
      if ((error as { code?: string }).code !== 'P2003') throw error;
      throw new VaneError('in_use', `The integration "${name}" was used for a new connection just now. Delete that first.`, { cause: error });
    }
  }

  /** @throws VaneError `not_found` */
  async row(workspace: string, id: string): Promise<Integration> {
    const row = await this.database.forWorkspace(workspace).integration.findFirst({ where: { id } });
    if (!row) throw new VaneError('not_found', `There is no integration ${id} in this workspace.`);
    return row;
  }

  /** The integration as an OAuth client, with its secret in clear: for the OAuth client alone. */
  async party(row: Integration): Promise<OAuthParty> {
    return {
      ...this.catalog.oauth(row.service),
      hosts: hostsOf(row),
      clientId: row.clientId,
      clientSecret: await this.vault.decrypt(row.clientSecretEnc, secretPlace(row)),
    };
  }

  /** What an authorisation with this integration asks for. */
  scopes(row: Integration, extra: readonly string[]): string[] {
    return this.catalog.scopes(this.catalog.oauth(row.service), extra);
  }

  private view(row: Integration): IntegrationView {
    const { id, service, name, clientId, version } = row;
    const { redirectUri } = this.urls;
    return { id, service, name, clientId, hosts: hostsOf(row), redirectUri, createdAt: row.createdAt.toISOString(), version };
  }
}

/** An integration's overrides of its service's hosts. */
export const hostsOf = (row: Pick<Integration, 'hosts'>): Record<string, string> => row.hosts as Record<string, string>;

/** Whether overrides lead to the same hosts: to name what the profile has anyway changes nothing. */
const sameHosts = ({ hosts }: Pick<Adapter, 'hosts'>, one: Record<string, string>, other: Record<string, string>): boolean =>
  isDeepStrictEqual({ ...hosts, ...one }, { ...hosts, ...other });

const changedMeanwhile = (ifMatch: number): VaneError =>
  new VaneError('precondition_failed', `The integration is not at version ${ifMatch} any more. Read it again, then repeat the change.`);

const secretPlace = (row: Pick<Integration, 'id' | 'workspaceId'>) => ({
  table: 'integration', row: row.id, column: 'client_secret_enc', workspaceId: row.workspaceId,
});

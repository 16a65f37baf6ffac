import { Injectable } from '@nestjs/common';
import {
  VaneError, type CallContext, type createInstanceIntegration, type InputOf, type IntegrationShareView, type IntegrationView, type listIntegrationShares,
  type updateInstanceIntegration,
} from '@vane/contracts';
import { Database, pageOf, type Integration, type PageInput, type PageQuery } from '@vane/db';
import { Clock } from '@vane/runtime';
import { IntegrationEditor } from './integration-editor.js';
import { IntegrationUsers } from './integration-users.js';
import { IntegrationViews } from './integration-view.js';

/** OAuth clients of the instance, and the workspaces that may use them. A workspace never sees or changes their secret. */
@Injectable()
export class InstanceIntegrationsService {
  constructor(
    private readonly database: Database,
    private readonly editor: IntegrationEditor,
    private readonly users: IntegrationUsers,
    private readonly views: IntegrationViews,
    private readonly clock: Clock,
  ) {}

  async create(input: InputOf<typeof createInstanceIntegration>): Promise<IntegrationView> {
    return this.views.view(await this.editor.create(null, input));
  }

  list(input: PageInput): Promise<{ items: IntegrationView[]; next: string | null }> {
    const find = ({ where, ...page }: PageQuery) => this.database.prisma.integration.findMany({ ...page, where: { ...where, workspaceId: null } });
    return pageOf(input, find, (row) => this.views.view(row));
  }

  async get(id: string): Promise<IntegrationView> {
    return this.views.view(await this.row(id));
  }

  async update({ integration, ...change }: InputOf<typeof updateInstanceIntegration>, call: CallContext): Promise<IntegrationView> {
    return this.views.view(await this.editor.update(await this.row(integration), change, call));
  }

  async delete(id: string): Promise<void> {
    await this.editor.delete(await this.row(id));
  }

  async shares({ integration, ...page }: InputOf<typeof listIntegrationShares>): Promise<{ items: IntegrationShareView[]; next: string | null }> {
    await this.row(integration);
    const { items, next } = await pageOf(page, (query) => this.uses(integration, query), (row) => row);
    const [names, counts] = await Promise.all([this.workspaceNames(items.map(({ id }) => id)), this.connectionCounts(integration)]);
    const views = items.map(({ id, createdAt }) => ({
      workspaceId: id, workspaceName: names.get(id) ?? id, connections: counts.get(id) ?? 0, since: createdAt.toISOString(),
    }));
    return { items: views, next };
  }

  /** A repeat changes nothing. @throws VaneError `not_found` for an unknown integration or workspace */
  async share(id: string, workspaceId: string): Promise<void> {
    await this.row(id);
    if (!(await this.workspaceNames([workspaceId])).has(workspaceId)) throw new VaneError('not_found', `There is no workspace ${workspaceId}.`);
    await this.database.prisma.integrationUse.createMany({ data: [{ workspaceId, integrationId: id, createdAt: this.clock.now() }], skipDuplicates: true });
  }

  /** Ends authorisations under way too. @throws VaneError `in_use` while the workspace has connections with it */
  async unshare(id: string, workspaceId: string): Promise<void> {
    const row = await this.row(id);
    await this.users.refuseUsed(row, workspaceId);
    const scoped = this.database.forWorkspace(workspaceId);
    await scoped.authorisation.deleteMany({ where: { integrationId: id } });
    try {
      const { count } = await scoped.integrationUse.deleteMany({ where: { integrationId: id } });
      if (count === 0) throw new VaneError('not_found', `The integration "${row.name}" is not shared with the workspace ${workspaceId}.`);
    } catch (error) {
      // The foreign key notices a connection that was made meanwhile.
      if ((error as { code?: string }).code !== 'P2003') throw error;
      throw new VaneError('in_use', `The workspace connected an account with the integration "${row.name}" just now. Disconnect that first.`, { cause: error });
    }
  }

  private async row(id: string): Promise<Integration> {
    const row = await this.database.prisma.integration.findFirst({ where: { id, workspaceId: null } });
    if (!row) throw new VaneError('not_found', `The instance has no integration ${id}.`);
    return row;
  }

  /** The workspaces that use an integration, as rows that a page can be made of. */
  private async uses(integrationId: string, { where, take }: PageQuery): Promise<{ id: string; createdAt: Date }[]> {
    const rows = await this.database.prisma.integrationUse.findMany({ where: { integrationId, workspaceId: where.id }, orderBy: { workspaceId: 'desc' }, take });
    return rows.map(({ workspaceId, createdAt }) => ({ id: workspaceId, createdAt }));
  }

  private async workspaceNames(ids: string[]): Promise<Map<string, string>> {
    const rows = await this.database.prisma.workspace.findMany({ where: { id: { in: ids } }, select: { id: true, name: true } });
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  private async connectionCounts(integrationId: string): Promise<Map<string, number>> {
    const rows = await this.database.prisma.connection.groupBy({ by: ['workspaceId'], where: { integrationId }, _count: true });
    return new Map(rows.map(({ workspaceId, _count }) => [workspaceId, _count]));
  }
}

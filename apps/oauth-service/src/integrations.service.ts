import { Injectable } from '@nestjs/common';
import {
  VaneError, type CallContext, type createIntegration, type getIntegrationSetup, type InputOf, type IntegrationView, type OutputOf, type updateIntegration,
} from '@vane/contracts';
import { Database, pageOf, type Integration, type PageInput } from '@vane/db';
import { ClientSecrets } from './client-secrets.js';
import { IntegrationEditor } from './integration-editor.js';
import { hostsOf, IntegrationViews } from './integration-view.js';
import type { OAuthParty } from './oauth-party.js';
import { PublicUrls } from './public-urls.js';
import { ServiceCatalog } from './service-catalog.js';

/** The OAuth clients that a workspace may use: its own, which it can change, and those of the instance shared with it. */
@Injectable()
export class IntegrationsService {
  constructor(
    private readonly database: Database,
    private readonly secrets: ClientSecrets,
    private readonly catalog: ServiceCatalog,
    private readonly editor: IntegrationEditor,
    private readonly views: IntegrationViews,
    private readonly urls: PublicUrls,
  ) {}

  async create({ workspace, ...fields }: InputOf<typeof createIntegration>): Promise<IntegrationView> {
    return this.views.view(await this.editor.create(workspace, fields));
  }

  async list(input: PageInput & { workspace: string }): Promise<{ items: IntegrationView[]; next: string | null }> {
    const uses = { some: { workspaceId: input.workspace } };
    const find = ({ where, ...page }: { where: object }) => this.database.prisma.integration.findMany({ ...page, where: { ...where, uses } });
    return pageOf(input, find, (row) => this.views.view(row));
  }

  async get(workspace: string, id: string): Promise<IntegrationView> {
    return this.views.view(await this.row(workspace, id));
  }

  /** @throws VaneError as `IntegrationEditor.update`, and `forbidden` for one of the instance */
  async update({ workspace, integration, ...change }: InputOf<typeof updateIntegration>, call: CallContext): Promise<IntegrationView> {
    return this.views.view(await this.editor.update(await this.own(workspace, integration), change, call));
  }

  async delete(workspace: string, id: string): Promise<void> {
    await this.editor.delete(await this.own(workspace, id));
  }

  /** What a person does at the service before there is an integration. @throws VaneError `unknown_service`, `invalid_config` */
  setup({ service, hosts = {} }: InputOf<typeof getIntegrationSetup>): OutputOf<typeof getIntegrationSetup> {
    const { adapter } = this.catalog.oauth(service);
    return { service, redirectUri: this.urls.redirectUri, setupSteps: this.views.steps(adapter, hosts) };
  }

  /** One that the workspace may use, its own or a shared one. @throws VaneError `not_found` */
  async row(workspace: string, id: string): Promise<Integration> {
    const use = await this.database.forWorkspace(workspace).integrationUse.findFirst({ where: { integrationId: id }, include: { integration: true } });
    if (!use) throw new VaneError('not_found', `There is no integration ${id} in this workspace.`);
    return use.integration;
  }

  /** The integration as an OAuth client, with its secrets in clear: for the OAuth client alone. */
  async party(row: Integration): Promise<OAuthParty> {
    return { ...this.catalog.oauth(row.service), hosts: hostsOf(row), clientId: row.clientId, credentials: await this.secrets.credentials(row) };
  }

  private async own(workspace: string, id: string): Promise<Integration> {
    const row = await this.row(workspace, id);
    if (row.workspaceId === workspace) return row;
    throw new VaneError('forbidden', `The integration "${row.name}" belongs to the instance, which shares it with this workspace. Only a superadmin can change or delete it.`);
  }
}

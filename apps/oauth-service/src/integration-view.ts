import { Injectable } from '@nestjs/common';
import type { IntegrationView, SecretState } from '@vane/contracts';
import type { Integration } from '@vane/db';
import { setupSteps, type Adapter } from '@vane/kit';
import { PublicUrls } from './public-urls.js';
import { ServiceCatalog } from './service-catalog.js';

/** Integrations as the API shows them: without their secret. */
@Injectable()
export class IntegrationViews {
  constructor(
    private readonly catalog: ServiceCatalog,
    private readonly urls: PublicUrls,
  ) {}

  /** `setupSteps` is empty when the adapter is not installed any more. */
  view(row: Integration): IntegrationView {
    const { id, service, name, clientId, version } = row;
    const adapter = this.catalog.installed(service);
    return {
      id,
      service,
      name,
      shared: row.workspaceId === null,
      clientId,
      hosts: hostsOf(row),
      redirectUri: this.urls.redirectUri,
      setupSteps: adapter ? this.steps(adapter, hostsOf(row)) : [],
      secretState: row.secretState as SecretState,
      secretChangedAt: row.secretChangedAt.toISOString(),
      createdAt: row.createdAt.toISOString(),
      version,
    };
  }

  /** What to do at the service, with our redirect URI and the hosts filled in. */
  steps(adapter: Adapter, hosts: Record<string, string>): string[] {
    return setupSteps(adapter, { redirectUri: this.urls.redirectUri, hosts });
  }
}

/** An integration's overrides of its service's hosts. */
export const hostsOf = (row: Pick<Integration, 'hosts'>): Record<string, string> => row.hosts as Record<string, string>;

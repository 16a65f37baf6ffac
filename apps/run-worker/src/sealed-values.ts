import { deliveryAuthCell, open, runnableSecretCell, secretValueCell, type Database, type OpeningKeys } from '@vane/db';
import type { Clock } from '@vane/runtime';
import type { RunDetails } from './run-details.js';

/** Opens what was sealed to the data ring for runs. Only run-worker can. Throws a VaultError that says why it cannot. */
export class SealedValues {
  constructor(
    private readonly database: Database,
    private readonly keys: OpeningKeys,
    private readonly clock: Clock,
  ) {}

  /** The Standard Webhooks secret of an HTTP target. */
  targetSecret(workspaceId: string, runnable: { id: string; secretSealed: string }): Promise<string> {
    return open(this.keys, runnable.secretSealed, runnableSecretCell(workspaceId, runnable.id));
  }

  /** Every secret of the workspace by name. */
  async secrets(workspaceId: string): Promise<Record<string, string>> {
    const stored = await this.database.forWorkspace(workspaceId).secret.findMany({ select: { name: true, sealed: true } });
    const opened = stored.map(
      async ({ name, sealed }) => [name, await open(this.keys, sealed, secretValueCell(workspaceId, name))] as const,
    );
    return Object.fromEntries(await Promise.all(opened));
  }

  /** What the service sent along for a while, such as a short-lived token; undefined when there is none or its time is over. */
  async auth(workspaceId: string, auth: RunDetails['auth']): Promise<unknown> {
    if (!auth || auth.until <= this.clock.now()) return undefined;
    return JSON.parse(await open(this.keys, auth.sealed, deliveryAuthCell(workspaceId, auth.deliveryId))) as unknown;
  }
}

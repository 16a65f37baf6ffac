import { deliveryAuthCell, open, runnableSecretCell, secretValueCell, VaultError, type Database, type OpeningKeys } from '@vane/db';
import type { Clock } from '@vane/runtime';
import type { RunDetails } from './run-details.js';

/** Opened values that are kept in memory; each is at most 20,000 characters long. */
const KEPT = 1_000;

/** Opens what was sealed to the data ring for runs. Only run-worker can. Throws a VaultError that says why it cannot. */
export class SealedValues {
  /** By workspace, cell and sealed text, so that a value that was set anew is opened anew. Least recently used first. */
  private readonly opened = new Map<string, string>();

  constructor(
    private readonly database: Database,
    private readonly keys: OpeningKeys,
    private readonly clock: Clock,
  ) {}

  /** The Standard Webhooks secret of an HTTP target. */
  targetSecret(workspaceId: string, runnable: { id: string; secretSealed: string }): Promise<string> {
    return this.openOnce(runnable.secretSealed, runnableSecretCell(workspaceId, runnable.id));
  }

  /**
   * The secrets of the workspace by name. One that cannot be opened is left out, unless the script names it: the others
   * are not held up by what they do not use.
   */
  async secrets(workspaceId: string, code: string): Promise<Record<string, string>> {
    const stored = await this.database.forWorkspace(workspaceId).secret.findMany({ select: { name: true, sealed: true } });
    const opened = stored.map(async ({ name, sealed }) => {
      try {
        return [[name, await this.openOnce(sealed, secretValueCell(workspaceId, name))]] as const;
      } catch (error) {
        if (error instanceof VaultError && !code.includes(name)) return [];
        throw error;
      }
    });
    return Object.fromEntries((await Promise.all(opened)).flat());
  }

  /** What the service sent along for a while, such as a short-lived token; undefined when there is none or its time is over. */
  async auth(workspaceId: string, auth: RunDetails['auth']): Promise<unknown> {
    if (!auth || auth.until <= this.clock.now()) return undefined;
    return JSON.parse(await open(this.keys, auth.sealed, deliveryAuthCell(workspaceId, auth.deliveryId))) as unknown;
  }

  private async openOnce(sealed: string, cell: Parameters<typeof open>[2]): Promise<string> {
    const key = JSON.stringify([cell, sealed]);
    const value = this.opened.get(key) ?? (await open(this.keys, sealed, cell));
    this.opened.delete(key);
    this.opened.set(key, value);
    const [oldest] = this.opened.keys();
    if (this.opened.size > KEPT && oldest !== undefined) this.opened.delete(oldest);
    return value;
  }
}

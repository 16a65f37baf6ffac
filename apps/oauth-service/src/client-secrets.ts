import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { SecretState } from '@vane/contracts';
import { Database, Vault, type Integration } from '@vane/db';
import { Clock, Logger } from '@vane/runtime';

/** Two requests end within the lease of a refresh only when the first was answered quickly; the next refresh tries the other secret first. */
const SECOND_TRY_WITHIN_MS = 2_000;

/** The secrets of an integration in clear, and which of them is in force: for the OAuth client alone. */
export type ClientCredentials = {
  row: Integration;
  secret: string;
  /** The one that the service accepted before the last change; null once it has accepted the new one. */
  previous: string | null;
};

/**
 * Client secrets, kept encrypted. A changed one is not believed until the service has accepted it: the one before is kept
 * and used where the new one is refused, so that a mistyped secret does not cut off every account.
 */
@Injectable()
export class ClientSecrets {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Columns of a new integration. */
  async first(row: Pick<Integration, 'id' | 'workspaceId'>, secret: string) {
    return { clientSecretEnc: await this.vault.encrypt(secret, cell(row)), secretState: 'unproven' satisfies SecretState, secretChangedAt: this.clock.now() };
  }

  /**
   * Columns that change with `secret` (undefined: it stays). With another client, or at other hosts, `forgetPrevious`: the
   * secret before has no business there.
   */
  async changed(row: Integration, secret: string | undefined, forgetPrevious: boolean) {
    const forgotten = forgetPrevious ? { previousSecretEnc: null } : {};
    const unproven = forgetPrevious ? { secretState: 'unproven' satisfies SecretState } : {};
    if (secret === undefined) return { ...forgotten, ...unproven };
    const { secret: present } = await this.credentials(row);
    if (same(present, secret)) return { ...forgotten, ...unproven };
    const kept = row.secretState === 'proven' ? { previousSecretEnc: await this.vault.encrypt(present, previousCell(row)) } : {};
    return { ...(await this.first(row, secret)), ...kept, ...forgotten };
  }

  async credentials(row: Integration): Promise<ClientCredentials> {
    return {
      row,
      secret: await this.vault.decrypt(row.clientSecretEnc, cell(row)),
      previous: row.previousSecretEnc === null ? null : await this.vault.decrypt(row.previousSecretEnc, previousCell(row)),
    };
  }

  /**
   * Asks with the newest secret, and where `refuses` says that the service does not take the client, once more with the one
   * before. That is safe: who is not authenticated (`invalid_client`, RFC 6749 section 5.2) uses up neither a code nor a
   * refresh token. A secret that was refused is tried last from then on: services lock out who fails too often.
   */
  async use<T>({ row, secret, previous }: ClientCredentials, refuses: (error: unknown) => boolean, ask: (secret: string) => Promise<T>): Promise<T> {
    const newest = { secret, told: (state: SecretState) => this.tell(row, state) };
    const before = previous === null ? undefined : { secret: previous, told: () => undefined };
    const [first, second] = row.secretState === 'refused' && before ? [before, newest] : [newest, before];
    const began = performance.now();
    try {
      return await this.tryOne(first, refuses, ask);
    } catch (error) {
      if (!second || !refuses(error) || performance.now() - began > SECOND_TRY_WITHIN_MS) throw error;
      return this.tryOne(second, refuses, ask);
    }
  }

  private async tryOne<T>({ secret, told }: Tried, refuses: (error: unknown) => boolean, ask: (secret: string) => Promise<T>): Promise<T> {
    try {
      const answer = await ask(secret);
      told('proven');
      return answer;
    } catch (error) {
      if (refuses(error)) told('refused');
      throw error;
    }
  }

  /**
   * Keeps what the service made of this very secret; of another, entered meanwhile, nothing is known. Nobody waits for it:
   * what the service issued has to be stored first, and if this is lost, the next answer says it again.
   */
  private tell(row: Integration, secretState: SecretState): void {
    if (row.secretState === secretState && (secretState !== 'proven' || row.previousSecretEnc === null)) return;
    const { id, workspaceId, clientSecretEnc } = row;
    const data = { secretState, ...(secretState === 'proven' ? { previousSecretEnc: null } : {}) };
    this.database.prisma.integration
      .updateMany({ where: { id, workspaceId, clientSecretEnc }, data })
      .catch((error: unknown) => this.logger.warn({ err: error, integrationId: id }, 'what the service made of a client secret was not kept'));
  }
}

type Tried = { secret: string; told: (state: SecretState) => void };

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const cell = (row: Pick<Integration, 'id' | 'workspaceId'>) => ({
  table: 'integration', row: row.id, column: 'client_secret_enc', workspaceId: row.workspaceId,
});
const previousCell = (row: Pick<Integration, 'id' | 'workspaceId'>) => ({ ...cell(row), column: 'previous_secret_enc' });

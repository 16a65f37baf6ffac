import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database, Vault, type Authorisation } from '@vane/db';
import { Clock } from '@vane/runtime';
import { LIFE_MS, requireBrowser } from './authorisations.service.js';
import type { Grant } from './grant.js';
import { hashOf } from './secrets.js';

/** Grants that change nothing until a person has decided: encrypted in their authorisation, for ten minutes. */
@Injectable()
export class HeldGrants {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly clock: Clock,
  ) {}

  /** @returns for how many seconds it is kept */
  async hold({ id, workspaceId }: Authorisation, connectionId: string, grant: Grant): Promise<number> {
    const grantEnc = await this.vault.encrypt(JSON.stringify(grant), place({ id, workspaceId }));
    const data = { grantEnc, connectionId, expiresAt: this.clock.in(LIFE_MS) };
    await this.database.forWorkspace(workspaceId).authorisation.updateMany({ where: { id }, data });
    return LIFE_MS / 1000;
  }

  /** The authorisation and its grant, for the browser that was at the service with it. @throws VaneError `oauth_state_invalid` */
  async find(state: string, browserToken: string | null): Promise<{ row: Authorisation; grant: Grant; connectionId: string }> {
    const row = await this.database.prisma.authorisation.findUnique({ where: { stateHash: hashOf(state) } });
    if (!row || row.grantEnc === null || row.connectionId === null || row.expiresAt <= this.clock.now()) {
      throw nothingLeft();
    }
    requireBrowser(row, browserToken);
    return { row, grant: await this.grant(row), connectionId: row.connectionId };
  }

  async grant(row: Authorisation): Promise<Grant> {
    if (row.grantEnc === null) throw new Error(`Authorisation ${row.id} holds no grant.`);
    return JSON.parse(await this.vault.decrypt(row.grantEnc, place(row))) as Grant;
  }

  /** @throws VaneError `oauth_state_invalid` when it was decided otherwise meanwhile */
  async forget({ id, workspaceId, grantEnc }: Authorisation): Promise<void> {
    const { count } = await this.database.forWorkspace(workspaceId).authorisation.updateMany({ where: { id, grantEnc }, data: { grantEnc: null } });
    if (count === 0) throw nothingLeft();
  }

  /** Some of those that nobody has decided in time. */
  async expired(limit: number): Promise<Authorisation[]> {
    const where = { grantEnc: { not: null }, expiresAt: { lte: this.clock.now() } };
    return this.database.prisma.authorisation.findMany({ where, orderBy: { expiresAt: 'asc' }, take: limit });
  }
}

const nothingLeft = (): VaneError =>
  new VaneError('oauth_state_invalid', 'There is nothing left to decide: it was decided already, or ten minutes have passed. Start to connect the account again.');

const place = (row: Pick<Authorisation, 'id' | 'workspaceId'>) => ({
  table: 'authorisation', row: row.id, column: 'grant_enc', workspaceId: row.workspaceId,
});

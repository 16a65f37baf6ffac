import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Database } from '@vane/db';
import { Clock } from '@vane/runtime';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { isDead } from './grant-health.js';

/** Longer than one step takes: a process that died in it is taken over after this. */
const LEASE_MS = 45_000;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 30_000;
/** For so long a service that does not answer is asked to revoke a grant. */
const REVOKE_MS = 3_600_000;

/** What who asked has agreed to. */
export type Consent = { triggers: boolean; force: boolean };

/** Disconnections under way: `disconnect_at` says when the next step is due, and while one is under way, when it is taken over. */
@Injectable()
export class DisconnectionStore {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionStore,
    private readonly clock: Clock,
  ) {}

  /** From now on nothing new can work with it. A repeat adds to what was agreed to. The caller holds the step that follows. */
  async begin({ id, workspaceId }: ConnectionRow, { triggers, force }: Consent): Promise<ConnectionRow> {
    const { connection } = this.database.forWorkspace(workspaceId);
    const now = this.clock.now();
    const consent = { ...(triggers ? { disconnectTriggers: true } : {}), ...(force ? { disconnectForce: true } : {}) };
    const data = { ...consent, disconnectAt: this.clock.in(LEASE_MS), disconnectTries: 0, noticeDue: false, version: { increment: 1 }, updatedAt: now };
    for (;;) {
      const { status } = await this.connections.row(workspaceId, id);
      const since = status === 'disconnecting' ? {} : { status: 'disconnecting', statusSince: now };
      const { count } = await connection.updateMany({ where: { id, status }, data: { ...data, ...since } });
      if (count === 1) return this.connections.row(workspaceId, id);
    }
  }

  /** Null when it is gone. */
  async find({ workspaceId, id }: ConnectionRow): Promise<ConnectionRow | null> {
    try {
      return await this.connections.row(workspaceId, id);
    } catch (error) {
      if (error instanceof VaneError && error.code === 'not_found') return null;
      throw error;
    }
  }

  /** Takes over those whose next step is due, longest due first. */
  async claimDue(limit: number): Promise<ConnectionRow[]> {
    const now = this.clock.now();
    const due = await this.database.prisma.connection.findMany({
      where: { status: 'disconnecting', disconnectAt: { lte: now } }, orderBy: { disconnectAt: 'asc' }, take: limit, include: { integration: true },
    });
    const claimed: ConnectionRow[] = [];
    for (const row of due) {
      const where = { id: row.id, status: 'disconnecting', disconnectAt: row.disconnectAt };
      const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({ where, data: { disconnectAt: this.clock.in(LEASE_MS) } });
      if (count === 1) claimed.push(row);
    }
    return claimed;
  }

  async later({ id, workspaceId, disconnectTries }: ConnectionRow): Promise<void> {
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(disconnectTries, 10));
    const data = { disconnectAt: this.clock.in(pause), disconnectTries: { increment: 1 } };
    await this.database.forWorkspace(workspaceId).connection.updateMany({ where: { id, status: 'disconnecting' }, data });
  }

  /** Until when the revocation is tried, said before the first try; null when the disconnection is another one than was read. */
  async beginRevocation(row: ConnectionRow): Promise<Date | null> {
    const revokeUntil = row.revokeUntil ?? this.clock.in(REVOKE_MS);
    const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({ where: asRead(row), data: { revokeUntil } });
    return count === 1 ? revokeUntil : null;
  }

  /** It stays after all, as it was. Returns the status it has then; null when somebody has agreed to more since it was read. */
  async abandon(row: ConnectionRow): Promise<'active' | 'auth_required' | null> {
    const status = isDead({ ...row, status: 'active' }) ? 'auth_required' : 'active';
    const now = this.clock.now();
    const data = { status, statusSince: now, disconnectAt: null, disconnectTriggers: false, disconnectForce: false, disconnectTries: 0, revokeUntil: null, updatedAt: now };
    const { count } = await this.database.forWorkspace(row.workspaceId).connection.updateMany({ where: asRead(row), data });
    return count === 1 ? status : null;
  }

  /** The row goes, with its tokens, and so do authorisations that were to renew it. False when it is not being disconnected any more. */
  async delete({ id, workspaceId }: ConnectionRow): Promise<boolean> {
    return this.database.forWorkspace(workspaceId).$transaction(async (tx) => {
      const { count } = await tx.connection.deleteMany({ where: { id, status: 'disconnecting' } });
      if (count === 1) await tx.authorisation.deleteMany({ where: { connectionId: id } });
      return count === 1;
    });
  }
}

/** The disconnection with the consent that was read: every further consent raises the version. */
const asRead = ({ id, version }: ConnectionRow) => ({ id, version, status: 'disconnecting' });

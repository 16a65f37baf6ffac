import { Injectable } from '@nestjs/common';
import { ROLES, type Role } from '@vane/contracts';
import { Database } from '@vane/db';
import { Clock, Logger } from '@vane/runtime';
import type { Identity } from './identity.js';
import { Sessions } from './sessions.js';

/** An identity with the moment until which what proves it is valid; null for ever. */
export type Known = { identity: Identity; expiresAt: Date | null };

const ALL_SCOPES = ['write'];
const isRole = (role: string): role is Role => (ROLES as readonly string[]).includes(role);

/** Reads in Postgres who a token or a session stands for. Both are named by the SHA-256 of what the request carries. */
@Injectable()
export class Identities {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly sessions: Sessions,
    private readonly logger: Logger,
  ) {}

  async ofToken(tokenHash: string): Promise<Known | undefined> {
    const row = await this.database.prisma.apiToken.findUnique({ where: { tokenHash } });
    if (!row || !isRole(row.role)) return undefined;
    const { id: actorId, workspaceId, role, userId, name: label, scopes, expiresAt } = row;
    const superadmin = workspaceId === null && role === 'superadmin';
    const roles = new Map(workspaceId === null ? [] : [[workspaceId, role]]);
    return { identity: { kind: 'token', actorId, userId, label, superadmin, roles, scopes }, expiresAt };
  }

  /** Also notes that the session was used. */
  async ofSession(tokenHash: string): Promise<Known | undefined> {
    const row = await this.database.prisma.session.findUnique({ where: { tokenHash }, include: { user: { include: { memberships: true } } } });
    if (!row || row.user.disabledAt || row.expiresAt <= this.clock.now()) return undefined;
    // A session works while Postgres can be read; that its use is not noted ends it early at worst.
    await this.sessions.touch(row).catch((error: unknown) => this.logger.warn({ err: error }, 'use of a session not noted'));
    const { id, email: label, superadmin, memberships } = row.user;
    const roles = new Map(memberships.flatMap(({ workspaceId, role }) => (isRole(role) ? [[workspaceId, role] as const] : [])));
    return { identity: { kind: 'user', actorId: id, userId: id, label, superadmin, roles, scopes: ALL_SCOPES, sessionId: row.id }, expiresAt: row.expiresAt };
  }
}

import { Controller } from '@nestjs/common';
import {
  getMember, listMembers, removeMember, updateMember, VaneError,
  type CallContext, type InputOf, type MemberView, type OutputOf, type Role,
} from '@vane/contracts';
import { Database, pageOf } from '@vane/db';
import { Handles } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { lockUser, revokeExcess } from './user-rows.js';

type User = { email: string; name: string; disabledAt: Date | null };
type Row = { userId: string; role: string; version: number; createdAt: Date; user: User };

const view = ({ userId, role, version, createdAt, user }: Row): MemberView => ({
  userId, email: user.email, name: user.name, role: role as Exclude<Role, 'superadmin'>, disabled: user.disabledAt !== null,
  createdAt: createdAt.toISOString(), version,
});

/** Who belongs to a workspace, and as what. */
@Controller()
export class Members {
  constructor(private readonly database: Database) {}

  @Handles(listMembers)
  async list({ workspace, ...input }: InputOf<typeof listMembers>): Promise<OutputOf<typeof listMembers>> {
    const find = async ({ where, take }: { where: { id?: { lt: string } }; take: number }) => {
      const rows = await this.database.forWorkspace(workspace).membership.findMany({
        where: where.id ? { userId: where.id } : {}, orderBy: { userId: 'desc' }, take, include: { user: true },
      });
      return rows.map((row) => ({ ...row, id: row.userId }));
    };
    return pageOf(input, find, view);
  }

  @Handles(getMember)
  async get({ workspace, user }: InputOf<typeof getMember>): Promise<OutputOf<typeof getMember>> {
    const row = await this.database.forWorkspace(workspace).membership.findFirst({ where: { userId: user }, include: { user: true } });
    if (!row) throw noSuchMember();
    return view(row);
  }

  @Handles(updateMember)
  async update({ workspace, user, ifMatch, role }: InputOf<typeof updateMember>, call: CallContext): Promise<OutputOf<typeof updateMember>> {
    await this.change(workspace, user, async (tx, before) => {
      if (before.version !== ifMatch) {
        throw new VaneError('precondition_failed', `The membership is at version ${before.version} now. Read it again and repeat your change.`);
      }
      if (before.role === 'admin' && role !== 'admin') await keepAdmin(tx, workspace, user, call);
      await tx.query('UPDATE membership SET role = $3, version = version + 1 WHERE workspace_id = $1 AND user_id = $2', [workspace, user, role]);
    });
    return this.get({ workspace, user });
  }

  @Handles(removeMember)
  async remove({ workspace, user }: InputOf<typeof removeMember>, call: CallContext): Promise<OutputOf<typeof removeMember>> {
    await this.change(workspace, user, async (tx, before) => {
      if (before.role === 'admin') await keepAdmin(tx, workspace, user, call);
      await tx.query('DELETE FROM membership WHERE workspace_id = $1 AND user_id = $2', [workspace, user]);
    });
    return { ok: true };
  }

  /** One change of a workspace's members at a time, so that two admins cannot remove each other. Tokens go along with rights. */
  private change(workspace: string, user: string, work: (tx: PoolClient, before: { role: string; version: number }) => Promise<void>): Promise<void> {
    return this.database.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM workspace WHERE id = $1 FOR NO KEY UPDATE', [workspace]);
      const { rows } = await tx.query<{ role: string; version: number }>(
        'SELECT role, version FROM membership WHERE workspace_id = $1 AND user_id = $2',
        [workspace, user],
      );
      if (!rows[0]) throw noSuchMember();
      await lockUser(tx, user);
      await work(tx, rows[0]);
      await revokeExcess(tx, user);
    });
  }
}

const noSuchMember = () => new VaneError('not_found', 'There is no such member of this workspace.');

/** Throws `conflict` when a workspace would be left without an admin who can sign in. A superadmin is there for it in any case. */
async function keepAdmin(tx: PoolClient, workspace: string, user: string, { actor }: CallContext): Promise<void> {
  if (actor.role === 'superadmin') return;
  const { rowCount } = await tx.query(
    `SELECT 1 FROM membership m JOIN users u ON u.id = m.user_id
     WHERE m.workspace_id = $1 AND m.user_id <> $2 AND m.role = 'admin' AND u.disabled_at IS NULL LIMIT 1`,
    [workspace, user],
  );
  if (rowCount === 0) throw new VaneError('conflict', 'This is the last admin of the workspace. Make another member an admin first.');
}

import { randomBytes } from 'node:crypto';
import { Controller } from '@nestjs/common';
import {
  createUser, disableUser, enableUser, getUser, listUsers, resetUserPassword, updateUser, VaneError,
  type CallContext, type InputOf, type OutputOf, type UserView,
} from '@vane/contracts';
import { Database, pageOf } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { Passwords } from './passwords.js';
import { hashToken } from './token.js';
import { insertUser, lockUser, revokeExcess, uniqueEmail, useUpResets, userViewOf, type UserRow } from './user-rows.js';

const RESET_MS = 24 * 3_600_000;

/** The people of an instance, as its superadmins see them. */
@Controller()
export class Users {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly passwords: Passwords,
  ) {}

  @Handles(createUser)
  async create({ email, name, password, superadmin }: InputOf<typeof createUser>): Promise<OutputOf<typeof createUser>> {
    if (password !== undefined) this.passwords.checkChoice(password, email);
    const passwordHash = password === undefined ? null : await this.passwords.hash(password);
    return this.database.transaction(async (tx) => userViewOf(await insertUser(tx, this.clock.now(), { email, name, passwordHash, superadmin })));
  }

  @Handles(listUsers)
  async list({ email, ...input }: InputOf<typeof listUsers>): Promise<OutputOf<typeof listUsers>> {
    const find = async ({ where, take }: { where: { id?: { lt: string } }; take: number }) => {
      const { rows } = await this.database.pool.query<UserRow>(
        'SELECT * FROM users WHERE ($1::text IS NULL OR id < $1) AND ($2::text IS NULL OR email = $2) ORDER BY id DESC LIMIT $3',
        [where.id?.lt ?? null, email ?? null, take],
      );
      return rows;
    };
    return pageOf(input, find, userViewOf);
  }

  @Handles(getUser)
  async get({ user }: InputOf<typeof getUser>): Promise<OutputOf<typeof getUser>> {
    const { rows } = await this.database.pool.query<UserRow>('SELECT * FROM users WHERE id = $1', [user]);
    if (!rows[0]) throw new VaneError('not_found', 'There is no such user.');
    return userViewOf(rows[0]);
  }

  @Handles(updateUser)
  update({ user, ifMatch, ...change }: InputOf<typeof updateUser>, call: CallContext): Promise<OutputOf<typeof updateUser>> {
    return this.change(user, async (tx, before) => {
      if (before.version !== ifMatch) {
        throw new VaneError('precondition_failed', `The user is at version ${before.version} now. Read it again and repeat your change.`);
      }
      if (before.superadmin && change.superadmin === false) await keepSuperadmin(tx, before, call);
      await uniqueEmail(
        tx.query('UPDATE users SET email = coalesce($2, email), name = coalesce($3, name), superadmin = coalesce($4, superadmin) WHERE id = $1', [
          user, change.email ?? null, change.name ?? null, change.superadmin ?? null,
        ]),
      );
    });
  }

  @Handles(disableUser)
  disable({ user }: InputOf<typeof disableUser>, call: CallContext): Promise<OutputOf<typeof disableUser>> {
    return this.change(user, async (tx, before) => {
      if (before.superadmin && !before.disabled_at) await keepSuperadmin(tx, before, call);
      await tx.query('UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1', [user, this.clock.now()]);
      await tx.query('DELETE FROM session WHERE user_id = $1', [user]);
      await tx.query('DELETE FROM password_reset WHERE user_id = $1', [user]);
    });
  }

  @Handles(enableUser)
  enable({ user }: InputOf<typeof enableUser>): Promise<OutputOf<typeof enableUser>> {
    return this.change(user, async (tx) => void (await tx.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user])));
  }

  @Handles(resetUserPassword)
  async resetPassword({ user }: InputOf<typeof resetUserPassword>): Promise<OutputOf<typeof resetUserPassword>> {
    const token = randomBytes(32).toString('base64url');
    const now = this.clock.now();
    const expiresAt = this.clock.in(RESET_MS);
    await this.database.transaction(async (tx) => {
      const { disabled_at } = await lockUser(tx, user);
      if (disabled_at) throw new VaneError('conflict', 'This user is disabled. Enable the user first.');
      await useUpResets(tx, user, now);
      await tx.query('INSERT INTO password_reset (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)', [hashToken(token), user, now, expiresAt]);
    });
    return { token, expiresAt: expiresAt.toISOString() };
  }

  /** Changes a user under its lock, with a new version, and takes away the tokens that have more than the user has then. */
  private change(user: string, work: (tx: PoolClient, before: UserRow) => Promise<void>): Promise<UserView> {
    return this.database.transaction(async (tx) => {
      // Before the user, so that two changes at once cannot each count on the other's superadmin.
      await tx.query('SELECT 1 FROM users WHERE superadmin ORDER BY id FOR NO KEY UPDATE');
      await work(tx, await lockUser(tx, user));
      await revokeExcess(tx, user);
      const { rows } = await tx.query<UserRow>('UPDATE users SET version = version + 1, updated_at = $2 WHERE id = $1 RETURNING *', [user, this.clock.now()]);
      return userViewOf(rows[0]!);
    });
  }
}

/**
 * Throws `conflict` when nobody would be left to undo it. Whoever asks with a token of the instance is left: no user can
 * take that one away.
 */
async function keepSuperadmin(tx: PoolClient, { id }: UserRow, { actor }: CallContext): Promise<void> {
  if (actor.kind !== 'user') return;
  const { rowCount } = await tx.query('SELECT 1 FROM users WHERE superadmin AND disabled_at IS NULL AND id <> $1 LIMIT 1', [id]);
  if (rowCount === 0) throw new VaneError('conflict', 'This is the last superadmin. Make another user a superadmin first.');
}

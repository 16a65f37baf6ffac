import { Controller } from '@nestjs/common';
import { changePassword, resetPassword, VaneError, type CallContext, type InputOf, type OutputOf } from '@vane/contracts';
import { Database } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { Passwords } from './passwords.js';
import { sessionOf } from './session.controller.js';
import { hashToken } from './token.js';
import { lockUser, useUpResets } from './user-rows.js';

/** Choosing a password: with the present one, or with a one-time token. */
@Controller()
export class PasswordController {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly passwords: Passwords,
  ) {}

  @Handles(changePassword)
  async change(input: InputOf<typeof changePassword>, call: CallContext): Promise<OutputOf<typeof changePassword>> {
    const session = sessionOf(call);
    const user = await this.database.prisma.user.findUniqueOrThrow({ where: { id: call.actor.id } });
    if (user.passwordHash === null) throw new VaneError('conflict', 'You have no password yet. Ask a superadmin for a token to choose one.');
    if (!(await this.passwords.verify(user.passwordHash, input.currentPassword))) {
      const message = 'is not your password';
      throw new VaneError('bad_request', `currentPassword ${message}.`, { fields: [{ path: 'currentPassword', message }] });
    }
    this.passwords.checkChoice(input.newPassword, user.email, 'newPassword');
    const passwordHash = await this.passwords.hash(input.newPassword);
    await this.database.transaction(async (tx) => {
      const { password_hash } = await lockUser(tx, user.id);
      if (password_hash !== user.passwordHash) throw new VaneError('conflict', 'Your password was changed meanwhile. Sign in again.');
      await this.store(tx, user.id, passwordHash);
      await tx.query('DELETE FROM session WHERE user_id = $1 AND id <> $2', [user.id, session]);
    });
    return { ok: true };
  }

  @Handles(resetPassword)
  async reset({ token, password }: InputOf<typeof resetPassword>): Promise<OutputOf<typeof resetPassword>> {
    const tokenHash = hashToken(token);
    // Before the password is hashed, which costs us something.
    const userId = await this.database.transaction((tx) => this.openReset(tx, tokenHash));
    const { email } = await this.database.prisma.user.findUniqueOrThrow({ where: { id: userId } });
    this.passwords.checkChoice(password, email);
    const passwordHash = await this.passwords.hash(password);
    await this.database.transaction(async (tx) => {
      await lockUser(tx, userId);
      await this.openReset(tx, tokenHash);
      await this.store(tx, userId, passwordHash);
      await tx.query('DELETE FROM session WHERE user_id = $1', [userId]);
    });
    return { ok: true };
  }

  /** Whom a token lets choose a password. Throws `not_found` or `conflict` with a sentence that says what to do. */
  private async openReset(tx: PoolClient, tokenHash: string): Promise<string> {
    const { rows } = await tx.query<{ user_id: string; expires_at: Date; used_at: Date | null }>(
      'SELECT user_id, expires_at, used_at FROM password_reset WHERE token_hash = $1',
      [tokenHash],
    );
    const reset = rows[0];
    if (!reset) throw new VaneError('not_found', 'This token to choose a password is unknown. Ask a superadmin for a new one.');
    if (reset.used_at) throw new VaneError('conflict', 'This token to choose a password was used, or there is a later one, or the password was changed since. Ask a superadmin for a new one.');
    if (reset.expires_at <= this.clock.now()) throw new VaneError('conflict', 'This token to choose a password has expired. Ask a superadmin for a new one.');
    return reset.user_id;
  }

  /** Stores a password, after which no token that is out lets choose another. */
  private async store(tx: PoolClient, userId: string, passwordHash: string): Promise<void> {
    const now = this.clock.now();
    await useUpResets(tx, userId, now);
    await tx.query('UPDATE users SET password_hash = $2, version = version + 1, updated_at = $3 WHERE id = $1', [userId, passwordHash, now]);
  }
}

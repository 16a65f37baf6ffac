import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { VaneError, type Role, type SessionView } from '@vane/contracts';
import { Database, newId } from '@vane/db';
import { Clock } from '@vane/runtime';
import { deleteInBatches } from '../retention.js';
import { csrfTokenOf } from './csrf.js';
import { hashToken } from './token.js';
import { lockUser } from './user-rows.js';

/** A session ends when it was not used for 12 hours, and 14 days after it was opened in any case. */
const IDLE_MS = 12 * 3_600_000;
export const SESSION_DAYS = 14;
const ABSOLUTE_MS = SESSION_DAYS * 86_400_000;
/** Uses closer together than this are noted as one. */
const NOTED_EVERY_MS = 60_000;
/** So long a token to choose a password that has expired is told from one that never was. */
const RESETS_KEPT_MS = 7 * 86_400_000;
const USER_AGENT_CHARACTERS = 300;

/** 32 random bytes as base64url. */
export const SESSION_TOKEN_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** `passwordHash` is the one that the password was right for; left out by who proved otherwise who it is. */
export type Opening = { userAgent: string; passwordHash?: string };
export type OpenedSession = { id: string; token: string; csrfToken: string; expiresAt: Date };
type Times = { id: string; createdAt: Date; lastSeenAt: Date; expiresAt: Date };

/** Sessions of people: opened after a proof of who it is, looked up by the authenticator, ended by their owner. */
@Injectable()
export class Sessions {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Opens a session. The token is for the cookie and is stored as a hash alone. What the caller has checked is checked
   * again together with the opening, so that no session outlives what ended them all meanwhile: throws `sign_in_refused`
   * when the password is another by now or the user disabled, `sign_in_not_allowed` where no password was asked for.
   */
  async open(userId: string, { userAgent, passwordHash }: Opening): Promise<OpenedSession> {
    const now = this.clock.now();
    const token = randomBytes(32).toString('base64url');
    const tokenHash = hashToken(token);
    const expiresAt = endOf(now, now);
    const id = newId('session', now);
    await this.database.transaction(async (tx) => {
      const user = await lockUser(tx, userId);
      if (passwordHash !== undefined && (user.password_hash !== passwordHash || user.disabled_at)) throw signInRefused();
      if (user.disabled_at) throw new VaneError('sign_in_not_allowed', 'Your user is disabled. Ask the operator of this instance.');
      await tx.query(
        'INSERT INTO session (id, user_id, token_hash, user_agent, created_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $5, $6)',
        [id, userId, tokenHash, userAgent.slice(0, USER_AGENT_CHARACTERS), now, expiresAt],
      );
    });
    return { id, token, csrfToken: csrfTokenOf(tokenHash), expiresAt };
  }

  /** Notes that a session was used, which moves its end. */
  async touch(session: Times): Promise<void> {
    const now = this.clock.now();
    if (now.getTime() - session.lastSeenAt.getTime() < NOTED_EVERY_MS) return;
    await this.database.prisma.session.updateMany({
      where: { id: session.id, expiresAt: { gt: now } },
      data: { lastSeenAt: now, expiresAt: endOf(session.createdAt, now) },
    });
  }

  /** What a signed-in person sees of himself. Throws `unauthenticated` when the session has ended meanwhile. */
  async viewById(id: string): Promise<SessionView> {
    const row = await this.database.prisma.session.findUnique({
      where: { id },
      include: { user: { include: { memberships: { include: { workspace: true }, orderBy: { workspaceId: 'asc' } } } } },
    });
    if (!row) throw new VaneError('unauthenticated', 'This session has ended. Sign in again.');
    const { id: userId, email, name, superadmin, memberships } = row.user;
    return {
      user: { id: userId, email, name, superadmin },
      memberships: memberships.map(({ workspace, role }) => ({ workspace: workspace.id, name: workspace.name, role: role as Exclude<Role, 'superadmin'> })),
      csrfToken: csrfTokenOf(row.tokenHash),
      expiresAt: row.expiresAt.toISOString(),
    };
  }

  /** Opens a session and replies as operations with `session: 'opens'` do. */
  async openFor(userId: string, opening: Opening): Promise<SessionView & { sessionToken: string }> {
    const { id, token } = await this.open(userId, opening);
    return { ...(await this.viewById(id)), sessionToken: token };
  }

  /** Deletes sessions that have ended, and tokens to choose a password a week after their end; returns how many. */
  async sweep(): Promise<number> {
    const sessions = await deleteInBatches(this.database, 'session', 'expires_at <= $1', [this.clock.now()]);
    return sessions + (await deleteInBatches(this.database, 'password_reset', 'expires_at <= $1', [this.clock.in(-RESETS_KEPT_MS)], 'token_hash'));
  }
}

/** One answer, whatever is wrong: it tells nobody who has a user here. */
export const signInRefused = (): VaneError => new VaneError('sign_in_refused', 'E-mail or password is wrong.');

const endOf = (openedAt: Date, usedAt: Date): Date => new Date(Math.min(openedAt.getTime() + ABSOLUTE_MS, usedAt.getTime() + IDLE_MS));

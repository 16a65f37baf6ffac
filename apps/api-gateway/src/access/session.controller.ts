import { Controller } from '@nestjs/common';
import {
  getSession, listSessions, revokeSession, signIn, signOut, VaneError, type CallContext, type InputOf, type OutputOf,
} from '@vane/contracts';
import { Database, pageOf } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import { Passwords } from './passwords.js';
import { Sessions, signInRefused } from './sessions.js';

/** Signing in and out, and one's own sessions. */
@Controller()
export class SessionController {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly sessions: Sessions,
    private readonly passwords: Passwords,
  ) {}

  /** One answer and one amount of work for an unknown address, a wrong password, no password and a disabled user. */
  @Handles(signIn)
  async signIn({ email, password, userAgent }: InputOf<typeof signIn>): Promise<OutputOf<typeof signIn>> {
    const user = await this.database.prisma.user.findUnique({ where: { email } });
    const right = await this.passwords.verify(user?.passwordHash ?? null, password);
    if (!user?.passwordHash || !right || user.disabledAt) throw signInRefused();
    const opened = await this.sessions.openFor(user.id, { userAgent, passwordHash: user.passwordHash });
    if (this.passwords.outdated(user.passwordHash)) {
      // Unless it was changed meanwhile.
      await this.database.prisma.user.updateMany({
        where: { id: user.id, passwordHash: user.passwordHash },
        data: { passwordHash: await this.passwords.hash(password) },
      });
    }
    return opened;
  }

  @Handles(getSession)
  get(_input: InputOf<typeof getSession>, call: CallContext): Promise<OutputOf<typeof getSession>> {
    return this.sessions.viewById(sessionOf(call));
  }

  @Handles(signOut)
  async signOut(_input: InputOf<typeof signOut>, call: CallContext): Promise<OutputOf<typeof signOut>> {
    await this.database.prisma.session.deleteMany({ where: { id: sessionOf(call) } });
    return { ok: true };
  }

  @Handles(listSessions)
  async list(input: InputOf<typeof listSessions>, call: CallContext): Promise<OutputOf<typeof listSessions>> {
    const live = { userId: call.actor.id, expiresAt: { gt: this.clock.now() } };
    return pageOf(
      input,
      ({ where, ...query }) => this.database.prisma.session.findMany({ ...query, where: { AND: [live, where] } }),
      ({ id, userAgent, createdAt, lastSeenAt, expiresAt }) => ({
        id,
        userAgent,
        current: id === call.actor.sessionId,
        createdAt: createdAt.toISOString(),
        lastSeenAt: lastSeenAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
      }),
    );
  }

  @Handles(revokeSession)
  async revoke({ session }: InputOf<typeof revokeSession>, call: CallContext): Promise<OutputOf<typeof revokeSession>> {
    const { count } = await this.database.prisma.session.deleteMany({ where: { id: session, userId: call.actor.id } });
    if (count === 0) throw new VaneError('not_found', 'You have no such session.');
    return { ok: true };
  }
}

/** The session that a call comes through; every call that needs a signed-in person has one. */
export function sessionOf({ actor }: CallContext): string {
  if (actor.sessionId === undefined) throw new VaneError('forbidden', 'This is for people who are signed in.');
  return actor.sessionId;
}

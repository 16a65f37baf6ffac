import { Injectable } from '@nestjs/common';
import { emailAddress, label, VaneError } from '@vane/contracts';
import { Database } from '@vane/db';
import { Clock } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { joinByInvitation, type OpenInvitation } from '../access/invitation-rows.js';
import { clearCredentials, insertUser, type Cleared, type UserRow } from '../access/user-rows.js';
import { whileReachable } from '../reachable.js';
import type { Claims } from './identity-provider.js';

/** Serialises first sign-ins, so that two at once make one user; any constant that nobody else uses. */
const LOCK = 7_264_111_104;

/** `joined`: the workspaces that this sign-in made the person a member of. `cleared`: what was taken from the user by it. */
export type KnownPerson = Pick<UserRow, 'id' | 'email'> & { joined: readonly string[]; cleared?: Cleared };

/** Which user somebody is whom an identity provider vouches for. */
@Injectable()
export class IdentityLinks {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * The user of an identity that is known. Else, by an address that the provider has verified: the user who has it, or a new
   * one for whom there is an invitation; the identity is theirs from then on, and with the first one all that let somebody in
   * before ends: nobody had shown until then that the address is theirs. Throws `sign_in_not_allowed` with a sentence
   * for the person, and `unavailable`.
   */
  async userOf(claims: Claims): Promise<KnownPerson> {
    try {
      return await this.find(claims);
    } catch (error) {
      // A refusal is for the person; all else is the database's.
      if (error instanceof VaneError) throw error;
      return whileReachable(Promise.reject(error));
    }
  }

  private async find(claims: Claims): Promise<KnownPerson> {
    return this.database.transaction(async (tx) => {
      const known = await knownUser(tx, claims);
      if (known) return active(known);
      const email = verifiedEmail(claims);
      await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      // Whoever held the lock may have been the same person.
      const meanwhile = await knownUser(tx, claims);
      if (meanwhile) return active(meanwhile);
      const { rows } = await tx.query<UserRow>('SELECT * FROM users WHERE email = $1 FOR NO KEY UPDATE', [email]);
      const user = rows[0] ? await this.proven(tx, active(rows[0])) : await this.invitedUser(tx, email, claims.name);
      await tx.query('INSERT INTO user_identity (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)', [
        claims.issuer, claims.subject, user.id, this.clock.now(),
      ]);
      return user;
    });
  }

  /** Whoever was invited holds a token that the inviter saw, so the password of a user says nothing of the address. */
  private async proven(tx: PoolClient, person: KnownPerson): Promise<KnownPerson> {
    const { rowCount } = await tx.query('SELECT 1 FROM user_identity WHERE user_id = $1 LIMIT 1', [person.id]);
    return rowCount ? person : { ...person, cleared: await clearCredentials(tx, person.id, this.clock.now()) };
  }

  /** A new user who accepts every invitation to this address, having shown that it is theirs. */
  private async invitedUser(tx: PoolClient, email: string, claimedName: string | null): Promise<KnownPerson> {
    const now = this.clock.now();
    const { rows: invitations } = await tx.query<OpenInvitation>(
      `SELECT id, workspace_id AS "workspaceId", email, role FROM invitation
       WHERE email = $1 AND accepted_at IS NULL AND expires_at > $2 ORDER BY id FOR UPDATE`,
      [email, now],
    );
    if (invitations.length === 0) throw notAllowed(`Nobody has invited ${email}. Ask an admin of your workspace for an invitation to this address.`);
    const name = label.safeParse(claimedName?.slice(0, 200));
    const user = await insertUser(tx, now, { email, name: name.success ? name.data : email.slice(0, 200), passwordHash: null, superadmin: false });
    for (const invitation of invitations) await joinByInvitation(tx, invitation, user.id, now);
    return { id: user.id, email, joined: invitations.map(({ workspaceId }) => workspaceId) };
  }
}

const notAllowed = (message: string): VaneError => new VaneError('sign_in_not_allowed', message);

async function knownUser(tx: PoolClient, { issuer, subject }: Claims): Promise<UserRow | undefined> {
  const { rows } = await tx.query<UserRow>(
    'SELECT u.* FROM user_identity i JOIN users u ON u.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2',
    [issuer, subject],
  );
  return rows[0];
}

function active(user: UserRow): KnownPerson {
  if (user.disabled_at) throw notAllowed('Your user is disabled. Ask the operator of this instance.');
  return { id: user.id, email: user.email, joined: [] };
}

function verifiedEmail({ email, emailVerified }: Claims): string {
  const parsed = emailAddress.safeParse(email);
  if (!parsed.success) throw notAllowed('The identity provider told no e-mail address of yours. Let it share the address, and sign in again.');
  // Anybody can enter the address of somebody else.
  if (!emailVerified) throw notAllowed(`The identity provider has not verified that ${parsed.data} is yours. Verify the address there, and sign in again.`);
  return parsed.data;
}

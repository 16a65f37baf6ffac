import { randomBytes } from 'node:crypto';
import { Controller } from '@nestjs/common';
import {
  acceptInvitation, createInvitation, listInvitations, revokeInvitation, VaneError,
  type CallContext, type InputOf, type InvitationView, type OutputOf, type Role,
} from '@vane/contracts';
import { Database, newId, pageOf } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import { joinByInvitation, openInvitation, type OpenInvitation } from './invitation-rows.js';
import { Passwords } from './passwords.js';
import { sessionOf } from './session.controller.js';
import { Sessions } from './sessions.js';
import { hashToken } from './token.js';
import { insertUser, lockUser } from './user-rows.js';

const VALID_MS = 7 * 86_400_000;

type Row = { id: string; email: string; role: string; invitedBy: string; createdAt: Date; expiresAt: Date; acceptedAt: Date | null };

const view = ({ id, email, role, invitedBy, createdAt, expiresAt, acceptedAt }: Row): InvitationView => ({
  id, email, role: role as Exclude<Role, 'superadmin'>, invitedBy,
  createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString(), acceptedAt: acceptedAt?.toISOString() ?? null,
});

/** Asking people to join a workspace, and their answer. */
@Controller()
export class Invitations {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly passwords: Passwords,
    private readonly sessions: Sessions,
  ) {}

  @Handles(createInvitation)
  async create({ workspace, email, role }: InputOf<typeof createInvitation>, call: CallContext): Promise<OutputOf<typeof createInvitation>> {
    const scoped = this.database.forWorkspace(workspace);
    if (await scoped.membership.findFirst({ where: { user: { email } } })) {
      throw new VaneError('conflict', 'Somebody with this address is a member already. Change the role of the member instead.');
    }
    const now = this.clock.now();
    const token = randomBytes(32).toString('base64url');
    const row = await scoped.$transaction(async (tx) => {
      await tx.invitation.deleteMany({ where: { email, acceptedAt: null } });
      return tx.invitation.create({
        data: {
          id: newId('invitation', now), workspaceId: workspace, email, role, tokenHash: hashToken(token), invitedBy: call.actor.label,
          createdAt: now, expiresAt: this.clock.in(VALID_MS),
        },
      });
    });
    return { ...view(row), token };
  }

  @Handles(listInvitations)
  async list({ workspace, ...input }: InputOf<typeof listInvitations>): Promise<OutputOf<typeof listInvitations>> {
    return pageOf(input, (page) => this.database.forWorkspace(workspace).invitation.findMany(page), view);
  }

  @Handles(revokeInvitation)
  async revoke({ workspace, invitation }: InputOf<typeof revokeInvitation>): Promise<OutputOf<typeof revokeInvitation>> {
    const { count } = await this.database.forWorkspace(workspace).invitation.deleteMany({ where: { id: invitation, acceptedAt: null } });
    if (count === 0) throw new VaneError('not_found', 'There is no such open invitation to this workspace.');
    return { ok: true };
  }

  @Handles(acceptInvitation)
  async accept(input: InputOf<typeof acceptInvitation>, call: CallContext): Promise<OutputOf<typeof acceptInvitation>> {
    const tokenHash = hashToken(input.token);
    if (call.actor.kind === 'user') return this.acceptAs(call, tokenHash);
    const now = this.clock.now();
    const { email, workspaceId } = await this.database.transaction((tx) => openInvitation(tx, tokenHash, now));
    // Before anything tells whether there is a user, so that nobody learns of one for nothing.
    const { name, password } = chosen(input);
    this.passwords.checkChoice(password, email);
    // Before the password is hashed, which costs us something.
    await this.database.transaction((tx) => this.openForNewUser(tx, tokenHash));
    const passwordHash = await this.passwords.hash(password);
    const userId = await this.database.transaction(async (tx) => {
      const invitation = await this.openForNewUser(tx, tokenHash);
      const { id } = await insertUser(tx, now, { email, name, passwordHash, superadmin: false });
      await joinByInvitation(tx, invitation, id, now);
      return id;
    });
    return { ...(await this.sessions.openFor(userId, { userAgent: input.userAgent, passwordHash })), workspaceId };
  }

  private async acceptAs(call: CallContext, tokenHash: string): Promise<OutputOf<typeof acceptInvitation>> {
    const { workspaceId } = await this.database.transaction(async (tx) => {
      const now = this.clock.now();
      const invitation = await openInvitation(tx, tokenHash, now);
      const { email, disabled_at } = await lockUser(tx, call.actor.id);
      if (email !== invitation.email || disabled_at) {
        throw new VaneError('forbidden', `This invitation is for ${invitation.email}; you are signed in as ${email}. Sign in with that address.`);
      }
      await joinByInvitation(tx, invitation, call.actor.id, now);
      return invitation;
    });
    return { ...(await this.sessions.viewById(sessionOf(call))), sessionToken: null, workspaceId };
  }

  /** Throws `unauthenticated` when somebody has the address already: who that is must be proven, not claimed. */
  private async openForNewUser(tx: Parameters<typeof openInvitation>[0], tokenHash: string): Promise<OpenInvitation> {
    const invitation = await openInvitation(tx, tokenHash, this.clock.now());
    const { rowCount } = await tx.query('SELECT 1 FROM users WHERE email = $1', [invitation.email]);
    if (rowCount) throw new VaneError('unauthenticated', 'There is a user with the address of this invitation. Sign in, then accept it.');
    return invitation;
  }
}

function chosen({ name, password }: InputOf<typeof acceptInvitation>): { name: string; password: string } {
  if (name !== undefined && password !== undefined) return { name, password };
  const fields = Object.entries({ name, password }).flatMap(([path, value]) => (value === undefined ? [{ path, message: 'is required' }] : []));
  throw new VaneError('bad_request', 'Choose a name and a password of at least 12 characters to accept this invitation. If you have an account with its address, sign in and accept it then.', { fields });
}

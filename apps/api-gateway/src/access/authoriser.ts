import { Injectable } from '@nestjs/common';
import { atLeast, coversScope, ref, scopeOf, VaneError, type Actor, type Operation, type Role } from '@vane/contracts';
import { Database } from '@vane/db';
import { whileReachable } from '../reachable.js';
import { actorOf, ANONYMOUS, type Identity } from './identity.js';

/** The one answer to a workspace that does not exist and to one that the caller has no part in. */
const noSuchWorkspace = () => new VaneError('not_found', 'There is no such workspace, or you have no access to it.');

/** Decides whether somebody may ask an operation in the workspace that the path names. */
@Injectable()
export class Authoriser {
  constructor(private readonly database: Database) {}

  /**
   * The caller, with the role that holds here. Throws `not_found` for a workspace that is unknown or not the caller's, then
   * `forbidden` for a role that is too weak, then `forbidden` for a token without the scope. In this order, so that nobody
   * learns anything of other workspaces.
   */
  async authorise(identity: Identity, operation: Operation, workspace: string | undefined): Promise<Actor> {
    const role = workspace === undefined ? roleAnywhere(identity) : await this.roleIn(identity, workspace);
    checkRole(identity, operation, role);
    const scope = scopeOf(operation);
    if (!coversScope(identity.scopes, scope)) {
      throw new VaneError('forbidden', `This needs the scope ${scope}; the token has ${identity.scopes.join(', ') || 'none'}.`);
    }
    return actorOf(identity, role ?? ANONYMOUS.role);
  }

  private async roleIn(identity: Identity, workspace: string): Promise<Role> {
    const role = identity.roles.get(workspace);
    if (!identity.superadmin && role === undefined) throw noSuchWorkspace();
    if (!identity.superadmin || role !== undefined) return identity.superadmin ? 'superadmin' : role!;
    if (!ref.safeParse(workspace).success) throw noSuchWorkspace();
    const row = await whileReachable(
      this.database.prisma.workspace.findUnique({ where: { id: workspace }, select: { id: true } }),
    );
    if (!row) throw noSuchWorkspace();
    return 'superadmin';
  }
}

/** A token has its one role everywhere; a person has none outside a workspace, unless it is that of the instance. */
function roleAnywhere({ kind, superadmin, roles }: Identity): Role | undefined {
  if (superadmin) return 'superadmin';
  return kind === 'token' ? [...roles.values()][0] : undefined;
}

function checkRole({ kind }: Identity, { access }: Operation, role: Role | undefined): void {
  if (access === 'anyone' || access === 'public') return;
  if (access === 'user') {
    if (kind === 'user') return;
    throw new VaneError('forbidden', 'This is for people who are signed in; an API token cannot do it.');
  }
  if (access !== 'internal' && role !== undefined && atLeast(role, access)) return;
  throw new VaneError('forbidden', `This needs the role ${access}; ${role === undefined ? 'you have none here' : `you have the role ${role}`}.`);
}

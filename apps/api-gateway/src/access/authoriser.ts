import { Injectable } from '@nestjs/common';
import { ref, VaneError, type Operation } from '@vane/contracts';
import { Database } from '@vane/db';
import { whileReachable } from '../reachable.js';
import { atLeast, type Identity } from './identity.js';

/** The one answer to a workspace that does not exist and to one that the token has no part in. */
const noSuchWorkspace = () => new VaneError('not_found', 'There is no such workspace, or this token has no access to it.');

/** Decides whether a token may ask an operation in the workspace that the path names. */
@Injectable()
export class Authoriser {
  constructor(private readonly database: Database) {}

  /**
   * Throws `not_found` for a workspace that is unknown or another token's, then `forbidden` for a role that is too weak.
   * In this order, so that a token learns nothing of other workspaces.
   */
  async authorise(identity: Identity, operation: Operation, workspace: string | undefined): Promise<void> {
    if (workspace !== undefined) await this.checkWorkspace(identity, workspace);
    const { access } = operation;
    if (access === 'anyone') return;
    if (access === 'internal' || !atLeast(identity.role, access)) {
      throw new VaneError('forbidden', `This needs the role ${access}; the token has the role ${identity.role}.`);
    }
  }

  private async checkWorkspace(identity: Identity, workspace: string): Promise<void> {
    if (identity.workspaceId === workspace) return;
    if (identity.workspaceId !== null || identity.role !== 'superadmin' || !ref.safeParse(workspace).success) throw noSuchWorkspace();
    const row = await whileReachable(
      this.database.prisma.workspace.findUnique({ where: { id: workspace }, select: { id: true } }),
    );
    if (!row) throw noSuchWorkspace();
  }
}

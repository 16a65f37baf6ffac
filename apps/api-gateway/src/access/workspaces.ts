import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  createWorkspace,
  getWorkspace,
  listWorkspaces,
  VaneError,
  type CallContext,
  type InputOf,
  type OutputOf,
  type WorkspaceView,
} from '@vane/contracts';
import { Database, newId, pageOf } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';

type Row = { id: string; name: string; createdAt: Date };

const view = ({ id, name, createdAt }: Row): WorkspaceView => ({ id, name, createdAt: createdAt.toISOString() });

/** Tenants: made by the instance's superadmins, seen by their members and their own tokens. */
@Controller()
export class Workspaces {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  @Handles(createWorkspace)
  async create({ name }: InputOf<typeof createWorkspace>): Promise<OutputOf<typeof createWorkspace>> {
    const now = this.clock.now();
    return view(await this.database.prisma.workspace.create({ data: { id: newId('workspace', now), name, createdAt: now } }));
  }

  @Handles(listWorkspaces)
  async list(@Payload() input: InputOf<typeof listWorkspaces>, @Ctx() call: CallContext): Promise<OutputOf<typeof listWorkspaces>> {
    const own = await this.seenBy(call);
    return pageOf(input, ({ where, ...page }) => this.database.prisma.workspace.findMany({ ...page, where: { AND: [own, where] } }), view);
  }

  @Handles(getWorkspace)
  async get({ workspace }: InputOf<typeof getWorkspace>): Promise<OutputOf<typeof getWorkspace>> {
    const row = await this.database.prisma.workspace.findUnique({ where: { id: workspace } });
    if (!row) throw new VaneError('not_found', 'There is no such workspace.');
    return view(row);
  }

  /** A token sees its one workspace, a person those with a membership, a superadmin all. */
  private async seenBy({ actor }: CallContext): Promise<object> {
    if (actor.role === 'superadmin') return {};
    if (actor.kind === 'user') return { memberships: { some: { userId: actor.id } } };
    const token = await this.database.prisma.apiToken.findUnique({ where: { id: actor.id } });
    if (!token?.workspaceId) throw new VaneError('forbidden', 'Only people, tokens of a workspace and superadmins can list workspaces.');
    return { id: token.workspaceId };
  }
}

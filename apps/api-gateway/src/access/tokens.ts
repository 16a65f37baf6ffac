import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  atLeast,
  createToken,
  listTokens,
  revokeToken,
  VaneError,
  type CallContext,
  type InputOf,
  type OutputOf,
  type Role,
  type TokenView,
} from '@vane/contracts';
import { Database, newId, pageOf } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import { Authenticator } from './authenticator.js';
import { hashToken, newToken } from './token.js';

type Row = { id: string; name: string; role: string; createdAt: Date; expiresAt: Date | null };

const view = (row: Row): TokenView => ({
  id: row.id,
  name: row.name,
  role: row.role as Role,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt?.toISOString() ?? null,
});

/** API tokens of a workspace. Those of the instance (superadmin) have no workspace and are never reached from here. */
@Controller()
export class Tokens {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly authenticator: Authenticator,
  ) {}

  @Handles(createToken)
  async create(@Payload() input: InputOf<typeof createToken>, @Ctx() call: CallContext): Promise<OutputOf<typeof createToken>> {
    const now = this.clock.now();
    const expiresAt = input.expiresAt ? new Date(input.expiresAt) : null;
    if (expiresAt && expiresAt <= now) {
      const message = 'must lie in the future';
      throw new VaneError('bad_request', `expiresAt ${message}.`, { fields: [{ path: 'expiresAt', message }] });
    }
    if (!atLeast(call.actor.role, input.role)) {
      throw new VaneError('forbidden', `A token with the role ${call.actor.role} cannot make one with the role ${input.role}.`);
    }
    const token = newToken();
    const row = await this.database.prisma.apiToken.create({
      data: {
        id: newId('token', now),
        workspaceId: input.workspace,
        name: input.name,
        role: input.role,
        scopes: ['write'],
        userId: call.actor.userId,
        createdBy: call.actor.label,
        tokenHash: hashToken(token),
        createdAt: now,
        expiresAt,
      },
    });
    return { ...view(row), token };
  }

  @Handles(listTokens)
  async list(input: InputOf<typeof listTokens>): Promise<OutputOf<typeof listTokens>> {
    return pageOf(input, (page) => this.database.forWorkspace(input.workspace).apiToken.findMany(page), view);
  }

  @Handles(revokeToken)
  async revoke({ workspace, token }: InputOf<typeof revokeToken>): Promise<OutputOf<typeof revokeToken>> {
    const { count } = await this.database.forWorkspace(workspace).apiToken.deleteMany({ where: { id: token } });
    this.authenticator.forget();
    if (count === 0) throw new VaneError('not_found', 'There is no such token in this workspace.');
    return { ok: true };
  }
}

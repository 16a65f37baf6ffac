import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  atLeast, coversScope, createToken, listTokens, revokeToken, TOKEN_SCOPES, VaneError,
  type CallContext, type InputOf, type OutputOf, type Role, type TokenView,
} from '@vane/contracts';
import { Database, newId, pageOf } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import { standingOf, type Standing } from './standing.js';
import { hashToken, newToken } from './token.js';

type Row = { id: string; name: string; role: string; scopes: string[]; createdBy: string; createdAt: Date; expiresAt: Date | null };

const view = ({ id, name, role, scopes, createdBy, createdAt, expiresAt }: Row): TokenView => ({
  id, name, role: role as Role, scopes, createdBy, createdAt: createdAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null,
});

/** API tokens of a workspace. Those of the instance (superadmin) have no workspace and are never reached from here. */
@Controller()
export class Tokens {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** A token has no more than its maker: checked together with its making, so that a demotion at the same time sees it. */
  @Handles(createToken)
  async create(@Payload() input: InputOf<typeof createToken>, @Ctx() call: CallContext): Promise<OutputOf<typeof createToken>> {
    const now = this.clock.now();
    const scopes = knownScopes(input.scopes);
    const row: Row = {
      id: newId('token', now), name: input.name, role: input.role, scopes, createdBy: call.actor.label, createdAt: now, expiresAt: endOf(input.expiresAt, now),
    };
    const token = newToken();
    await this.database.transaction(async (tx) => {
      checkWithin(await standingOf(tx, call.actor, input.workspace), now, { role: input.role, scopes, expiresAt: row.expiresAt });
      await tx.query(
        `INSERT INTO api_token (id, workspace_id, name, role, scopes, user_id, created_by, token_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [row.id, input.workspace, row.name, row.role, scopes, call.actor.userId, row.createdBy, hashToken(token), now, row.expiresAt],
      );
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
    if (count === 0) throw new VaneError('not_found', 'There is no such token in this workspace.');
    return { ok: true };
  }
}

function endOf(expiresAt: string | null | undefined, now: Date): Date | null {
  if (!expiresAt) return null;
  const end = new Date(expiresAt);
  if (end > now) return end;
  const message = 'must lie in the future';
  throw new VaneError('bad_request', `expiresAt ${message}.`, { fields: [{ path: 'expiresAt', message }] });
}

/** Without doubles. Throws `bad_request` for a scope of nothing. */
function knownScopes(scopes: string[]): string[] {
  const unknown = scopes.findIndex((scope) => !TOKEN_SCOPES.includes(scope));
  if (unknown < 0) return [...new Set(scopes)];
  const message = `is none of ${TOKEN_SCOPES.join(', ')}`;
  throw new VaneError('bad_request', `The scope ${scopes[unknown]!} ${message}.`, { fields: [{ path: `scopes.${unknown}`, message }] });
}

function checkWithin(maker: Standing, now: Date, { role, scopes, expiresAt }: Pick<Standing, 'role' | 'scopes' | 'expiresAt'>): void {
  if (!atLeast(maker.role, role)) {
    throw new VaneError('forbidden', `With the role ${maker.role} you cannot make a token with the role ${role}.`);
  }
  const beyond = scopes.find((scope) => !coversScope(maker.scopes, scope));
  if (beyond !== undefined) {
    throw new VaneError('forbidden', `A token with the scopes ${maker.scopes.join(', ')} cannot make one with the scope ${beyond}.`);
  }
  if (maker.expiresAt && maker.expiresAt <= now) throw new VaneError('forbidden', 'The token you ask with has expired. Ask an admin for a new one.');
  if (maker.expiresAt && (!expiresAt || expiresAt > maker.expiresAt)) {
    throw new VaneError('forbidden', `A token that ends at ${maker.expiresAt.toISOString()} cannot make one that outlives it. Set expiresAt to that or earlier.`);
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { VaneError, type getAccessToken, type InputOf, type OutputOf, type refreshDueTokens } from '@vane/contracts';
import { Clock } from '@vane/runtime';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { authRequired, isDead, type GrantEnd } from './grant-health.js';
import { hostsOf } from './integration-view.js';
import { RefreshTimes } from './refresh-times.js';
import { ServiceCatalog } from './service-catalog.js';
import { RefreshReport, TokenRefresher, type RefreshOutcome } from './token-refresher.js';

type AccessToken = OutputOf<typeof getAccessToken>;

/** A token that ends sooner than this is refreshed before it is handed out. */
const EXPIRES_SOON_MS = 60_000;
/** A refused token that is older than this worked for a while: another is fetched once more before a person is asked. */
const CONFIRMED_WITHIN_MS = 5 * 60_000;
const POLL_MS = 120;
const PARALLEL_REFRESHES = 8;
/** So long an integration that refuses or does not answer is left alone by what is refreshed ahead; callers may still ask. */
const PUT_OFF_MS = 60_000;
/** After this much of a batch no further refresh is started, so that the last one ends within the operation's deadline. */
const BATCH_MS = 40_000;

/** Hands out access tokens, refreshed where needed: one refresh at a time per connection, over all processes. */
@Injectable()
export class TokensService {
  constructor(
    private readonly store: ConnectionStore,
    private readonly refresher: TokenRefresher,
    private readonly catalog: ServiceCatalog,
    private readonly clock: Clock,
    private readonly report: RefreshReport,
    private readonly times: RefreshTimes,
  ) {}

  /** @throws VaneError `not_found`, `connection_auth_required`, `oauth_exchange_failed`, `service_unavailable` */
  async current({ workspace, connection, rejectedGeneration }: InputOf<typeof getAccessToken>): Promise<AccessToken> {
    const began = performance.now();
    for (;;) {
      const row = await this.store.row(workspace, connection);
      const { usable, refresh, rejected } = this.judge(row, rejectedGeneration);
      if (!refresh) {
        if (usable) return this.handOut(row);
        await this.giveUp(row, rejected);
        continue;
      }
      const paused = pausedUntil(row, this.clock.now());
      if (paused) {
        if (usable) return this.handOut(row);
        throw this.pausedError(row, paused);
      }
      const waited = performance.now() - began;
      const outcome = waited < this.times.startWithinMs ? await this.attempt(row, usable, rejected) : 'busy';
      if (outcome === 'failed') return this.handOut(row);
      if (outcome !== 'busy') continue;
      if (waited >= this.times.waitMs) {
        if (usable) return this.handOut(row);
        throw new VaneError('service_unavailable', 'The token of this connection is still being refreshed. Try again shortly.', { retryAfterMs: 5_000 });
      }
      await delay(POLL_MS * (0.75 + Math.random() / 2));
    }
  }

  /** Refreshes what is due within the operation's deadline: integrations side by side, the connections of one in turn. */
  async refreshDue({ limit }: InputOf<typeof refreshDueTokens>): Promise<OutputOf<typeof refreshDueTokens>> {
    const due = await this.store.due(limit + 1);
    const groups = byIntegration(due.slice(0, limit));
    const stopAt = performance.now() + BATCH_MS;
    const counts = { refreshed: 0, failed: 0 };
    let late = false;
    const work = async () => {
      for (let group = groups.shift(); group && !late; group = groups.shift()) {
        for (const row of group) {
          late ||= performance.now() >= stopAt;
          // What limits one connection, refuses its client or does not answer does so to its neighbours too: to ask on may
          // lock us out, and waiting for one host after the other would hold up everybody else.
          if (late) break;
          if (await this.refreshOne(row, counts)) continue;
          await this.store.putOff(row.integrationId, this.clock.in(PUT_OFF_MS));
          break;
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_REFRESHES }, work));
    return { ...counts, more: due.length > limit || late };
  }

  /** False when other connections of the same integration had better wait. Never rejects. */
  private async refreshOne({ id, workspaceId }: Pick<ConnectionRow, 'id' | 'workspaceId'>, counts: { refreshed: number; failed: number }): Promise<boolean> {
    try {
      const outcome = await this.refresher.refresh(await this.store.row(workspaceId, id));
      if (outcome === 'refreshed') counts.refreshed += 1;
      if (outcome === 'dead_grant') counts.failed += 1;
      return true;
    } catch (error) {
      counts.failed += 1;
      if (error instanceof VaneError) return error.code !== 'service_unavailable' && error.code !== 'oauth_exchange_failed';
      this.report.unexpected({ id, workspaceId }, error);
      return true;
    }
  }

  /** `failed`: the service gave no token, but the stored one still works. */
  private async attempt(row: ConnectionRow, usable: boolean, rejected: boolean): Promise<RefreshOutcome | 'failed'> {
    try {
      return await this.refresher.refresh(row, rejected);
    } catch (error) {
      if (usable && error instanceof VaneError) return 'failed';
      throw error;
    }
  }

  /** Whether the stored token can be handed out, whether it should be refreshed first, and whether the service has refused it. @throws VaneError */
  private judge(row: ConnectionRow, rejectedGeneration: number | undefined): { usable: boolean; refresh: boolean; rejected: boolean } {
    if (isDead(row)) throw authRequired(row);
    const { profile } = this.catalog.oauth(row.service);
    const now = this.clock.now().getTime();
    const rejected = rejectedGeneration === row.generation;
    const left = row.expiresAt === null ? Infinity : row.expiresAt.getTime() - now;
    const usable = !rejected && left > 0;
    const refreshable = profile.refresh !== 'none' && row.refreshTokenEnc !== null;
    // A token that was fetched to see whether the grant lives, and is refused in its turn, has answered the question.
    const proven = row.rejectedBefore && now - row.updatedAt.getTime() < CONFIRMED_WITHIN_MS;
    // Tokens that live for less than a minute altogether are refreshed when they are due, not at every call.
    const ending = left <= 0 || (left <= EXPIRES_SOON_MS && (row.refreshAt === null || row.refreshAt.getTime() <= now));
    return { usable, refresh: refreshable && (rejected ? !proven : ending), rejected };
  }

  private async giveUp(row: ConnectionRow, rejected: boolean): Promise<void> {
    const { label } = this.catalog.oauth(row.service).adapter;
    const marked = await this.store.requireAuthorisation(row, endOf(row, rejected, label));
    if (marked) this.report.changed(row, marked);
  }

  private pausedError(row: ConnectionRow, until: Date): VaneError {
    const { label } = this.catalog.oauth(row.service).adapter;
    const retryAfterMs = until.getTime() - this.clock.now().getTime();
    const failures = row.refreshFailures === 1 ? 'The last refresh of its token' : `The last ${row.refreshFailures} refreshes of its token`;
    const message = `The connection to ${label} cannot be used just now. ${row.reason === null ? '' : `${row.reason} `}${failures} failed; the next follows in ${Math.ceil(retryAfterMs / 1000)} s.`;
    return new VaneError('service_unavailable', message, { retryAfterMs });
  }

  private async handOut(row: ConnectionRow): Promise<AccessToken> {
    const { tokenType, generation, service, accountId, scopes } = row;
    return {
      accessToken: await this.store.accessToken(row),
      tokenType,
      generation,
      expiresAt: row.expiresAt?.toISOString() ?? null,
      service,
      hosts: hostsOf(row.integration),
      accountId,
      scopes,
    };
  }
}

function byIntegration<Row extends { integrationId: string }>(rows: Row[]): Row[][] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(row.integrationId, [...(groups.get(row.integrationId) ?? []), row]);
  return [...groups.values()];
}

/** Until when failed refreshes keep the service from being asked again. */
function pausedUntil(row: ConnectionRow, now: Date): Date | undefined {
  return row.refreshFailures > 0 && row.refreshAt !== null && row.refreshAt > now ? row.refreshAt : undefined;
}

/** Why a connection is given up without the token endpoint having said so. */
function endOf({ rejectedBefore }: ConnectionRow, rejected: boolean, label: string): GrantEnd {
  const anew = 'Connect the account again.';
  if (!rejected) return { code: 'no_refresh_token', reason: `The access token has expired, and ${label} issued none that could renew it. ${anew}` };
  if (rejectedBefore) {
    return { code: 'token_rejected', reason: `${label} does not accept the access token, and not the one that it issued in its place either. ${anew}` };
  }
  return { code: 'token_rejected', reason: `${label} does not accept the access token any more, and issued none that could renew it. ${anew}` };
}

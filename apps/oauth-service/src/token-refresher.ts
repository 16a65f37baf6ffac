import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { connectionChanged, VaneError } from '@vane/contracts';
import { Bus, Clock, Logger, Metrics } from '@vane/runtime';
import type { Counter } from 'prom-client';
import { ConnectionNotices } from './connection-notices.js';
import { ConnectionStore, type ConnectionRow, type Lease } from './connection-store.js';
import type { GrantEnd } from './grant-health.js';
import { IntegrationsService } from './integrations.service.js';
import { OAuthClient } from './oauth-client.js';
import type { IssuedTokens, OAuthParty } from './oauth-party.js';
import { RefreshTimes } from './refresh-times.js';
import { TokenFailure } from './token-failure.js';

/** What became of a refresh; `busy`: another process is at it. All but `busy` mean that the row has changed. */
export type RefreshOutcome = 'refreshed' | 'superseded' | 'dead_grant' | 'busy';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** For how long a pair that could not be stored is kept trying: longer than a restart or failover of the database. */
const SAVE_FOR_MS = 5 * MINUTE;

/** Tells metrics, log and the other apps what became of refreshes. */
@Injectable()
export class RefreshReport {
  private readonly refreshes: Counter<'service' | 'outcome'>;

  constructor(
    metrics: Metrics,
    private readonly bus: Bus,
    private readonly logger: Logger,
    private readonly notices: ConnectionNotices,
  ) {
    this.refreshes = metrics.counter('vane_token_refreshes_total', 'Refreshes of access tokens by outcome', ['service', 'outcome']);
  }

  outcome(row: ConnectionRow, outcome: Exclude<RefreshOutcome, 'busy'> | TokenFailure['kind']): void {
    this.refreshes.inc({ service: row.service, outcome });
    const level = outcome === 'refreshed' || outcome === 'superseded' ? 'info' : 'warn';
    this.logger[level]({ connectionId: row.id, workspaceId: row.workspaceId, service: row.service, outcome }, 'token refresh ended');
  }

  /** A fault of ours, not of the service. */
  unexpected(row: Pick<ConnectionRow, 'id' | 'workspaceId'>, error: unknown): void {
    this.logger.error({ err: error, connectionId: row.id, workspaceId: row.workspaceId }, 'token refresh failed unexpectedly');
  }

  /** The service has issued tokens that nobody has now. */
  lost(row: Pick<ConnectionRow, 'id' | 'workspaceId'>, error: unknown): void {
    this.logger.error({ err: error, connectionId: row.id, workspaceId: row.workspaceId }, 'refreshed tokens are lost: they could not be stored');
  }

  /** `actorId` is the token that asked for the authorisation. */
  connected(row: ConnectionRow, actorId: string): void {
    const { id: connectionId, workspaceId, service, integrationId } = row;
    this.logger.info({ connectionId, workspaceId, service, integrationId, actorId }, 'account connected');
    this.changed(row, row.status);
  }

  /** Tells the other apps at once, and people as soon as can be. */
  disconnected(row: ConnectionRow, actorId: string): void {
    const { id: connectionId, workspaceId, service, integrationId } = row;
    this.logger.info({ connectionId, workspaceId, service, integrationId, actorId }, 'account disconnected');
    this.changed(row, 'disconnected');
  }

  changed(row: Pick<ConnectionRow, 'id' | 'workspaceId'>, status: string): void {
    const tell = () => this.bus.publishSignal(connectionChanged, { workspaceId: row.workspaceId, connectionId: row.id, status });
    if (status !== 'active') tell();
    const told = this.notices.tell(row);
    // What was held is let go only when it has been counted for the notice.
    if (status === 'active') void told.finally(tell);
  }
}

/** Refreshes one connection under its lease: the only code that sends a refresh token. */
@Injectable()
export class TokenRefresher {
  constructor(
    private readonly store: ConnectionStore,
    private readonly integrations: IntegrationsService,
    private readonly client: OAuthClient,
    private readonly clock: Clock,
    private readonly report: RefreshReport,
    private readonly times: RefreshTimes,
  ) {}

  /**
   * @param confirms the service has refused the token that `row` holds
   * @throws VaneError when the service gave no token and may give one later, or after the integration is corrected
   */
  async refresh(row: ConnectionRow, confirms = false): Promise<RefreshOutcome> {
    const lease = await this.store.lease(row);
    if (!lease) return 'busy';
    const { party, refreshToken } = await this.prepare(row, lease);
    // Who sent the request before us may be alive and about to save its answer, which then changes the generation.
    if (lease.unansweredSince !== null) await delay(this.times.saveMs);
    if (!(await this.store.declareIntent(row, lease, this.times.requestMs))) {
      await this.store.release(row, lease);
      return 'busy';
    }
    let tokens: IssuedTokens;
    try {
      tokens = await this.client.refresh(party, refreshToken);
    } catch (error) {
      return this.failed({ row, lease, party }, error);
    }
    const saved = await this.save(row, tokens, party, confirms);
    const outcome = saved ? 'refreshed' : 'superseded';
    this.report.outcome(row, outcome);
    if (saved === 'revived') this.report.changed(row, 'active');
    return outcome;
  }

  private async prepare(row: ConnectionRow, lease: Lease): Promise<{ party: OAuthParty; refreshToken: string }> {
    try {
      return { party: await this.integrations.party(row.integration), refreshToken: await this.store.refreshToken(row) };
    } catch (error) {
      const reason = error instanceof VaneError ? error.message : 'Vane could not read the stored tokens, or the secret of the integration.';
      await this.store.saveFailure(row, lease, { retryAt: this.clock.in(5 * MINUTE), uncertain: false, trouble: { code: 'service_unavailable', reason } });
      throw error;
    }
  }

  /** The service has forgotten the old pair by now, so an outage of the database must not lose the new one. */
  private async save(row: ConnectionRow, tokens: IssuedTokens, party: OAuthParty, confirms: boolean): ReturnType<ConnectionStore['saveRefreshed']> {
    const until = performance.now() + SAVE_FOR_MS;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.store.saveRefreshed(row, tokens, party.profile, confirms);
      } catch (error) {
        if (performance.now() >= until) {
          this.report.lost(row, error);
          throw error;
        }
        await delay(Math.min(attempt * 100, this.times.saveMs / 2), undefined, { ref: false });
      }
    }
  }

  private async failed(refresh: { row: ConnectionRow; lease: Lease; party: OAuthParty }, error: unknown): Promise<RefreshOutcome> {
    const { row, lease, party } = refresh;
    if (!(error instanceof TokenFailure)) {
      const trouble = { code: 'service_unavailable' as const, reason: 'A refresh of its token failed unexpectedly.' };
      await this.store.saveFailure(row, lease, { retryAt: this.clock.in(MINUTE), uncertain: true, trouble });
      throw error;
    }
    const { errorCode, uncertain = false } = error.details;
    if (errorCode !== undefined && party.profile.deadGrantCodes.includes(errorCode)) return this.dead(refresh, error);
    const retryAt = this.clock.in(pauseMs(error, row.refreshFailures));
    const failure = error.toVaneError(
      error.kind === 'refused'
        ? 'Check the client id, the client secret and the hosts of the integration.'
        : 'The connection keeps its token and is refreshed again later.',
    );
    const code = error.kind === 'refused' ? 'client_refused' : 'service_unavailable';
    await this.store.saveFailure(row, lease, { retryAt, uncertain, trouble: { code, reason: failure.message } });
    this.report.outcome(row, error.kind);
    throw failure;
  }

  private async dead({ row, lease, party }: { row: ConnectionRow; lease: Lease; party: OAuthParty }, error: TokenFailure): Promise<RefreshOutcome> {
    const marked = await this.store.requireAuthorisation(row, endOf(error, party, lease), lease);
    const outcome = marked ? 'dead_grant' : 'superseded';
    this.report.outcome(row, outcome);
    if (marked) this.report.changed(row, marked);
    return outcome;
  }
}

/** What a dead code means: a service that renews refresh tokens gives it too for a pair that it has replaced unheard. */
function endOf(error: TokenFailure, { profile }: OAuthParty, { unansweredSince }: Lease): GrantEnd {
  if (unansweredSince === null || profile.refresh !== 'rotating') return { code: 'dead_grant', reason: `${error.message} Connect the account again.` };
  const lost = `A refresh was sent at ${unansweredSince.toISOString()} whose tokens we could not store: they may have been lost.`;
  return { code: 'maybe_lost', reason: `${error.message} ${lost} Connect the account again.` };
}

/** How long the connection leaves the service alone: what the service asks for, else longer with every failure. */
function pauseMs({ kind, details }: TokenFailure, failuresBefore: number): number {
  const doubled = 2 ** Math.min(failuresBefore, 12);
  if (details.retryAfterMs !== undefined) return details.retryAfterMs;
  // Asking on while refused or limited is what services lock clients out for.
  if (kind === 'refused' || kind === 'rate_limited') return Math.min(MINUTE * doubled, 60 * MINUTE);
  return Math.min(2 * SECOND * doubled, kind === 'garbage' ? 60 * MINUTE : 5 * MINUTE);
}

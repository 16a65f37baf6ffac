import { Injectable } from '@nestjs/common';
import { VaneError, type CallContext, type ConnectionView, type finishAuthorisation, type OutputOf } from '@vane/contracts';
import type { Authorisation } from '@vane/db';
import { AccountChanges } from './account-changes.js';
import { AuthorisationsService } from './authorisations.service.js';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { viewOf } from './connections.service.js';
import { GrantComparison } from './grant-comparison.js';
import { GrantRevoker } from './grant-revoker.js';
import { connectedAlready, GrantStore, otherOwner, refuseLeaving } from './grant-store.js';
import { GrantTaker } from './grant-taker.js';
import type { Grant } from './grant.js';
import { HeldGrants } from './held-grants.js';
import { RefreshReport } from './token-refresher.js';

/** Held grants that are ended in one round. */
const SWEPT = 10;

/** The end of an authorisation: its grant is stored at once, or held until a person has decided what it would break. */
@Injectable()
export class AuthorisationAnswers {
  constructor(
    private readonly authorisations: AuthorisationsService,
    private readonly connections: ConnectionStore,
    private readonly grants: GrantTaker,
    private readonly comparison: GrantComparison,
    private readonly store: GrantStore,
    private readonly held: HeldGrants,
    private readonly changes: AccountChanges,
    private readonly report: RefreshReport,
    private readonly revoker: GrantRevoker,
  ) {}

  /** @throws VaneError `oauth_state_invalid`, `oauth_denied`, `oauth_exchange_failed`, `service_unavailable`, `conflict` */
  async finish(query: string, browserToken: string | null, call: CallContext): Promise<OutputOf<typeof finishAuthorisation>> {
    const { row, callback } = await this.authorisations.redeem(query, browserToken);
    const grant = await this.grants.take(row, callback);
    try {
      return await this.settle(row, grant, call);
    } catch (error) {
      if (error instanceof VaneError && error.code === 'conflict') await this.revoker.revokeUnused(row, grant);
      throw error;
    }
  }

  private async settle(row: Authorisation, grant: Grant, call: CallContext): Promise<OutputOf<typeof finishAuthorisation>> {
    const target = await this.target(row, grant);
    if (target) refuseLeaving(row, grant, target);
    const findings = target ? await this.comparison.findings(target, grant, call) : [];
    if (!target || findings.length === 0) return { outcome: 'connected', connection: await this.save(row, grant, target) };
    const maxAgeSeconds = await this.held.hold(row, target.id, grant);
    return { outcome: 'differs', connection: shown(target), findings, maxAgeSeconds };
  }

  /** @throws VaneError `oauth_state_invalid`, `not_found`, `conflict` */
  async confirm(state: string, browserToken: string | null): Promise<ConnectionView> {
    const { row, grant, connectionId } = await this.held.find(state, browserToken);
    return this.save(row, grant, await this.named(row, connectionId));
  }

  /** @throws VaneError `oauth_state_invalid` */
  async discard(state: string, browserToken: string | null): Promise<void> {
    const { row, grant } = await this.held.find(state, browserToken);
    await this.held.forget(row);
    await this.revoker.revokeUnused(row, grant);
  }

  /** Ends and forgets the grants that nobody has decided about in time. */
  async sweep(): Promise<void> {
    const expired = await this.held.expired(SWEPT);
    await Promise.all(
      expired.map(async (row) => {
        // A grant that cannot be read any more is forgotten like the others.
        const grant = await this.held.grant(row).catch(() => null);
        // Forgotten first: only who has taken it away from everybody else may end it.
        if ((await this.forgotten(row)) && grant) await this.revoker.revokeUnused(row, grant);
      }),
    );
  }

  /** False when another process has swept it, or the person was faster. */
  private async forgotten(row: Authorisation): Promise<boolean> {
    try {
      await this.held.forget(row);
      return true;
    } catch (error) {
      if (error instanceof VaneError) return false;
      throw error;
    }
  }

  /** The connection that the grant is for: the one that is authorised anew, or else the account's. */
  private async target(row: Authorisation, grant: Grant): Promise<ConnectionRow | null> {
    const ofAccount = await this.store.connectionOf(row, grant);
    if (row.connectionId === null) return ofAccount;
    if (ofAccount && ofAccount.id !== row.connectionId) throw connectedAlready(grant);
    return this.named(row, row.connectionId);
  }

  private async named(row: Authorisation, connectionId: string): Promise<ConnectionRow> {
    const connection = await this.connections.row(row.workspaceId, connectionId);
    if (connection.ownerId === row.ownerId) return connection;
    throw otherOwner();
  }

  private async save(row: Authorisation, grant: Grant, target: ConnectionRow | null): Promise<ConnectionView> {
    const saved = await this.store.save(row, grant, target);
    this.report.connected(saved, row.actorId);
    if (saved.accountChangedAt !== null) void this.changes.apply(saved);
    return shown(saved);
  }
}

/** To whoever authorises it the connection is theirs to use. */
const shown = (row: ConnectionRow): ConnectionView => viewOf(row, { kind: 'user', role: 'editor', userId: row.ownerId });

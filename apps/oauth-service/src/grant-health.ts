import { VaneError } from '@vane/contracts';
import type { Connection } from '@vane/db';

/**
 * Why only a person can make a connection work again:
 * `dead_grant`: the service says that the grant is over; `maybe_lost`: it says so after a refresh whose answer nobody has
 * seen, so the pair issued then may have been lost; `token_rejected`: it refuses even a token that it has just issued, or one
 * that cannot be renewed; `no_refresh_token`: the token is over and none came that could renew it; `client_changed`,
 * `hosts_changed`: the integration is another one now.
 */
export const GRANT_ENDS = ['dead_grant', 'maybe_lost', 'token_rejected', 'no_refresh_token', 'client_changed', 'hosts_changed'] as const;

/** A typed code, and a sentence with the service's own words in it. */
export type GrantEnd = { code: (typeof GRANT_ENDS)[number]; reason: string };

/**
 * Why an active connection got no new token at its last refresh. `service_unavailable`: it may get one by itself;
 * `client_refused`: not before the integration is corrected; `token_expired`: its token has been over for a while.
 */
export type RefreshTrouble = { code: 'service_unavailable' | 'client_refused'; reason: string };

/** Those of which people are told. */
export const TOLD_TROUBLES = ['client_refused', 'token_expired'] as const;

/** An active connection that people are, or have been, told not to work. */
export const isTroubled = ({ status, reasonCode }: Pick<Connection, 'status' | 'reasonCode'>): boolean =>
  status === 'active' && (TOLD_TROUBLES as readonly (string | null)[]).includes(reasonCode);

/** Whether its tokens must not be used any more. A connection that is being removed keeps that state and has a code beside it. */
export function isDead({ status, reasonCode }: Pick<Connection, 'status' | 'reasonCode'>): boolean {
  return status === 'auth_required' || (GRANT_ENDS as readonly (string | null)[]).includes(reasonCode);
}

export function authRequired({ reason }: Pick<Connection, 'reason'>): VaneError {
  return new VaneError('connection_auth_required', reason ?? 'The connection must be authorised again. Connect the account again.');
}

/** Columns of whatever must not be refreshed any more. */
export const endedGrant = ({ code, reason }: GrantEnd, now: Date) => ({
  reasonCode: code, reason, refreshAt: null, leaseOwner: null, leaseUntil: null, refreshIntentAt: null, updatedAt: now,
});

/** Columns of a connection that was active and whose tokens must not be used any more: people are to be told. */
export const unauthorised = (end: GrantEnd, now: Date) => ({
  ...endedGrant(end, now), status: 'auth_required' as const, statusSince: now, noticeDue: true,
});

/** Columns of a connection that works again: people are to be told of that too. */
export const revived = (now: Date) => ({ status: 'active' as const, statusSince: now, noticeDue: true });

import { randomUUID } from 'node:crypto';
import { VaneError, type ErrorCode } from '@vane/contracts';
import { ServiceError, type ServiceErrorKind } from '@vane/kit';
import { createServiceHttp, type Clock, type EgressClient, type OriginGuard } from '@vane/runtime';
import type { IssuedTokens, OAuthParty } from './oauth-party.js';

const ANEW = 'Start to connect the account again.';

export type Identity = { accountId: string; accountLabel: string; scopes?: string[] };

/** Whose account a fresh token belongs to, asked as the adapter's profile says. @throws VaneError */
export async function askIdentity(
  { adapter, profile, hosts }: OAuthParty,
  { accessToken, tokenType }: IssuedTokens,
  { origins, ...surroundings }: { egress: EgressClient; clock: Clock; origins: OriginGuard },
): Promise<Identity> {
  const token = async (rejected?: number) => {
    if (rejected === undefined) return { accessToken, tokenType, generation: 0 };
    throw new VaneError('oauth_exchange_failed', `${adapter.label} does not accept the token it has just issued. ${ANEW}`);
  };
  // A token of its own: what the service limits it by is nobody else's.
  const guard = { origins, party: randomUUID() };
  try {
    return await profile.identity(createServiceHttp({ adapter, hosts, ...surroundings, token, guard }));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new VaneError(CODES[error.kind], `${adapter.label} granted access, but did not say whose account it is. ${error.message} ${ANEW}`, {
      cause: error,
      retryAfterMs: error.details.retryAfterMs,
    });
  }
}

const CODES: Record<ServiceErrorKind, ErrorCode> = {
  unauthorised: 'oauth_exchange_failed',
  forbidden: 'service_forbidden',
  not_found: 'service_not_found',
  invalid: 'service_rejected',
  conflict: 'service_rejected',
  rate_limited: 'service_unavailable',
  unavailable: 'service_unavailable',
  garbage: 'service_unavailable',
};

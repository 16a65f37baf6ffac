export { EgressClient, type EgressClientOptions, type EgressRequest, type EgressResponse } from './client.js';
export {
  EgressBlocked,
  EgressError,
  type BlockedAddressReason,
  type EgressBlockedReason,
  type EgressErrorCode,
} from './errors.js';
export type { FetchLimits } from './fetch.js';
export { parseEgressAllow, type EgressAllow, type EgressPolicy } from './policy.js';
export { inspectUrl } from './url.js';

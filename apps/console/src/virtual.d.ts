/** Made by vite.config.ts out of the contracts. */
declare module 'virtual:contracts' {
  type Contracts = typeof import('@vane/contracts');
  /** Method, path below /api/v1, and whether If-Match is sent, by the name under which the contracts export the operation. */
  export const routes: Record<string, readonly [method: string, path: string, ifMatch: boolean]>;
  export const DELIVERY_STATUSES: Contracts['DELIVERY_STATUSES'];
  export const RUN_STATUSES: Contracts['RUN_STATUSES'];
  export const TERMINAL_RUN_STATUSES: Contracts['TERMINAL_RUN_STATUSES'];
  export const TRIGGER_STATUSES: Contracts['TRIGGER_STATUSES'];
  export const WORKSPACE_ROLES: Contracts['WORKSPACE_ROLES'];
  export const ROLES: Contracts['ROLES'];
  export const TOKEN_SCOPES: Contracts['TOKEN_SCOPES'];
  export const CHANNEL_KINDS: Contracts['CHANNEL_KINDS'];
  export const RESYNC_POLICIES: Contracts['RESYNC_POLICIES'];
  export const DRIFT_POLICIES: Contracts['DRIFT_POLICIES'];
  export const SECRET_OVERLAPS: Contracts['SECRET_OVERLAPS'];
}

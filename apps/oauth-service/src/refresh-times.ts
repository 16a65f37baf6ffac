/**
 * How long the steps of a refresh may take, in milliseconds. All follow from the longest token request, so that
 * request < lease < wait < deadline of `connections.token` holds for every setting:
 * a holder never sends under a lease that ends before the answer, and a waiting caller outlives a holder that died.
 */
export class RefreshTimes {
  /** The whole of a token request ends within this. */
  readonly requestMs: number;
  /** Whoever holds tokens that could not be stored tries again sooner than this; who takes over waits so long for it. */
  readonly saveMs = 1_000;
  /** How long one process alone may refresh; the difference to the request allows for clocks that disagree. */
  readonly leaseMs: number;
  /** A caller who has waited this long starts no refresh any more: its answer would come after the operation's deadline. */
  readonly startWithinMs: number;
  /** A caller waits this long for another process. */
  readonly waitMs: number;

  /** `requestMs`: 8000 at most, so that the longest way of one caller, a request begun at `startWithinMs`, fits into the operation's deadline. */
  constructor(requestMs: number = LONGEST_REQUEST_MS) {
    this.requestMs = requestMs;
    this.leaseMs = this.saveMs + requestMs * 1.5;
    this.startWithinMs = this.leaseMs + 1_500;
    this.waitMs = this.startWithinMs + 1_500 + requestMs / 2;
  }
}

export const LONGEST_REQUEST_MS = 8_000;

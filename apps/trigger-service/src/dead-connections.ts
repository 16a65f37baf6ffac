import { ServiceError } from '@vane/kit';

/** Remembered this many; the oldest are forgotten first. A way to a service is used for seconds, so no more are needed. */
const MOST = 10_000;

/**
 * Connections whose grant was found dead, as oauth-service told. Whoever got its token before that must not use it any more:
 * services lock out who goes on. Whoever gets one after that was told by oauth-service itself that it lives.
 */
export class DeadConnections {
  private readonly ended = new Map<string, number>();
  /** Counts what happened, so that no two clocks have to agree on what came first. */
  private moment = 0;

  end(connection: string): void {
    this.ended.delete(connection);
    this.ended.set(connection, (this.moment += 1));
    if (this.ended.size > MOST) this.ended.delete(this.ended.keys().next().value!);
  }

  /** To be called before its token is asked for. @returns a check that throws a ServiceError once the connection has ended since */
  begin(connection: string): () => void {
    const begun = this.moment;
    return () => {
      if ((this.ended.get(connection) ?? 0) <= begun) return;
      throw new ServiceError('unauthorised', 'The connection must be authorised again, so the service was not asked. Connect the account again.');
    };
  }
}

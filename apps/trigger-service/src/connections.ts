import { getAccessToken, getConnection, VaneError, type CallContext, type ConnectionView, type ErrorCode, type OutputOf } from '@vane/contracts';
import { ServiceError, type Adapter, type ServiceErrorKind, type ServiceHttp } from '@vane/kit';
import { createServiceHttp, type Bus, type Clock, type EgressClient, type OriginGuard } from '@vane/runtime';
import { DeadConnections } from './dead-connections.js';

export type ConnectionInfo = OutputOf<typeof getAccessToken>;

const CODES: Record<ServiceErrorKind, ErrorCode> = {
  unauthorised: 'service_unauthorised',
  forbidden: 'service_forbidden',
  not_found: 'service_not_found',
  invalid: 'service_rejected',
  conflict: 'service_rejected',
  rate_limited: 'rate_limited',
  unavailable: 'service_unavailable',
  garbage: 'service_unavailable',
};

/** What a failed call to a service means to whoever asked us. */
export function toVaneError(error: ServiceError): VaneError {
  return new VaneError(CODES[error.kind], error.message, { cause: error, retryAfterMs: error.details.retryAfterMs });
}

/** The same failure seen from a saga: a connection that cannot be used is a service that does not accept us. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof VaneError) {
    const kind = error.retry === 'later' ? 'unavailable' : error.retry === 'reauth' ? 'unauthorised' : 'invalid';
    // Said by another app, which was asked for a token: without one nothing is sent.
    return new ServiceError(kind, error.message, { cause: error, retryAfterMs: error.retryAfterMs, unsent: true });
  }
  return new ServiceError('unavailable', 'This did not work because of a fault on our side. It will be tried again.', { cause: error });
}

/** Neither the service nor another app said this: it is ours to look at. */
export function isOurFault(error: unknown): boolean {
  return !(error instanceof ServiceError) && !(error instanceof VaneError);
}

/** Uses connections by asking oauth-service for short-lived tokens; never reads its tables. */
export class Connections {
  private readonly dead = new DeadConnections();

  constructor(
    private readonly bus: Bus,
    private readonly egress: EgressClient,
    private readonly clock: Clock,
    private readonly origins: OriginGuard,
  ) {}

  /** No call is sent any more with a token that this process has of the connection. */
  stop(connection: string): void {
    this.dead.end(connection);
  }

  /** The connection as it is stored, if it is the asker's to use: shared, or their own. Throws not_found, forbidden or unavailable. */
  async own(workspace: string, connection: string, call: CallContext): Promise<ConnectionView> {
    const view = await this.bus.ask(getConnection, { workspace, connection }, call);
    if (view.usable) return view;
    throw new VaneError('forbidden', 'This connection is private to another member, who alone may use it. Choose another connection, or ask its owner to share it.');
  }

  /** The asker's to use, and able to work: the service is not asked. Throws as `own`, connection_auth_required or conflict. */
  async usable(workspace: string, connection: string, call: CallContext): Promise<ConnectionView> {
    const view = await this.own(workspace, connection, call);
    if (view.status === 'active') return view;
    if (view.status === 'disconnecting') throw new VaneError('conflict', 'This connection is being disconnected. Choose another one.');
    throw new VaneError('connection_auth_required', view.reason ?? 'The connection must be authorised again. Connect the account again.');
  }

  /** Throws not_found, connection_auth_required or unavailable. */
  info(workspace: string, connection: string, call: CallContext, rejectedGeneration?: number): Promise<ConnectionInfo> {
    return this.bus.ask(getAccessToken, { workspace, connection, rejectedGeneration }, call);
  }

  /** The adapter's way to its service as this connection. */
  async http(adapter: Adapter, workspace: string, connection: string, call: CallContext): Promise<ServiceHttp> {
    const check = this.dead.begin(connection);
    let current = await this.info(workspace, connection, call);
    return createServiceHttp({
      adapter,
      hosts: current.hosts,
      egress: this.egress,
      clock: this.clock,
      token: async (rejectedGeneration) => {
        check();
        if (rejectedGeneration !== undefined) current = await this.info(workspace, connection, call, rejectedGeneration);
        return current;
      },
      guard: { origins: this.origins, party: connection },
    });
  }
}

import * as access from './access.js';
import * as activity from './activity.js';
import * as audit from './audit.js';
import * as canaries from './canaries.js';
import * as connectionMoves from './connection-moves.js';
import * as connections from './connections.js';
import * as members from './members.js';
import * as notifications from './notifications.js';
import * as diagnosis from './diagnosis.js';
import * as disconnections from './disconnections.js';
import * as integrations from './integrations.js';
import type { Operation } from './operation.js';
import * as people from './people.js';
import * as replays from './replays.js';
import * as reregister from './reregister.js';
import * as retention from './retention.js';
import * as runnables from './runnables.js';
import { scopesOf } from './scopes.js';
import * as services from './services.js';
import * as subscriptionSecrets from './subscription-secrets.js';
import * as sync from './sync.js';
import * as subscriptions from './subscriptions.js';
import * as triggers from './triggers.js';
import * as users from './users.js';
import * as work from './work.js';

export * from './access.js';
export * from './activity.js';
export * from './audit.js';
export * from './canaries.js';
export * from './connection-moves.js';
export * from './connections.js';
export * from './diagnosis.js';
export * from './disconnections.js';
export * from './errors.js';
export * from './health.js';
export * from './masking.js';
export * from './integrations.js';
export * from './members.js';
export * from './messages.js';
export * from './notifications.js';
export * from './operation.js';
export * from './people.js';
export * from './replays.js';
export * from './reregister.js';
export * from './retention.js';
export * from './runnables.js';
export * from './scalars.js';
export * from './scopes.js';
export * from './services.js';
export * from './subscription-secrets.js';
export * from './sync.js';
export * from './subscriptions.js';
export * from './triggers.js';
export * from './users.js';
export * from './work.js';

const isOperation = (value: unknown): value is Operation =>
  typeof value === 'object' && value !== null && 'owner' in value && 'input' in value && 'output' in value;

/** Every operation there is, by declaration: the gateway's routes, the OpenAPI document and the tests are made from this list. */
export const OPERATIONS: readonly Operation[] = [access, people, users, members, audit, services, integrations, connections, disconnections, connectionMoves, runnables, triggers, subscriptions, diagnosis, sync, canaries, subscriptionSecrets, activity, notifications, work, reregister, retention, replays]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(isOperation);

/** Every scope that an API token may have. */
export const TOKEN_SCOPES: readonly string[] = scopesOf(OPERATIONS);

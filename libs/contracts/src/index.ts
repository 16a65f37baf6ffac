import * as access from './access.js';
import * as activity from './activity.js';
import * as connections from './connections.js';
import * as notifications from './notifications.js';
import type { Operation } from './operation.js';
import * as runnables from './runnables.js';
import * as services from './services.js';
import * as triggers from './triggers.js';

export * from './access.js';
export * from './activity.js';
export * from './connections.js';
export * from './errors.js';
export * from './masking.js';
export * from './messages.js';
export * from './notifications.js';
export * from './operation.js';
export * from './runnables.js';
export * from './scalars.js';
export * from './services.js';
export * from './triggers.js';

const isOperation = (value: unknown): value is Operation =>
  typeof value === 'object' && value !== null && 'owner' in value && 'input' in value && 'output' in value;

/** Every operation there is, by declaration: the gateway's routes, the OpenAPI document and the tests are made from this list. */
export const OPERATIONS: readonly Operation[] = [access, services, connections, runnables, triggers, activity, notifications]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(isOperation);

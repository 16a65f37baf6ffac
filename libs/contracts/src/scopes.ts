import type { Operation } from './operation.js';

type Asked = Pick<Operation, 'name' | 'access' | 'http'>;

/** Form of a scope: `read` or `write`, for everything or for one resource, as in `triggers:read`. */
export const SCOPE_PATTERN = /^(?:[a-z][a-z-]*:)?(?:read|write)$/;

/** The scope an operation needs: its resource is the first part of its name, and whatever is no GET writes. */
export const scopeOf = ({ name, http }: Pick<Asked, 'name' | 'http'>): string =>
  `${name.split('.', 1)[0]!}:${http?.method === 'GET' ? 'read' : 'write'}`;

/**
 * Whether scopes include another one. Writing includes reading, and a scope without a resource includes all resources.
 * Scopes narrow what a role may do and never add to it.
 */
export function coversScope(held: readonly string[], wanted: string): boolean {
  const { verb, resource } = parse(wanted);
  return held.map(parse).some((scope) => (scope.verb === 'write' || scope.verb === verb) && (scope.resource === undefined || scope.resource === resource));
}

/** Every scope that a token may have: those of what can be asked with a token. */
export function scopesOf(operations: readonly Asked[]): string[] {
  const asked = operations.filter(({ access, http }) => http !== undefined && access !== 'user' && access !== 'public');
  const resources = [...new Set(asked.map(({ name }) => name.split('.', 1)[0]!))].sort();
  return ['read', 'write', ...resources.flatMap((resource) => [`${resource}:read`, `${resource}:write`])];
}

function parse(scope: string): { verb: string; resource: string | undefined } {
  const [verb = '', resource] = scope.split(':').reverse();
  return { verb, resource };
}

import { OPERATIONS } from '@vane/contracts';
import { z } from 'zod';
import { isRest, pathParameters, type RestOperation } from '../http/input.js';

/** How to read the object that a mutation changes: by a route of its own, or as an item of a list. */
export type Reader = {
  operation: RestOperation;
  /** Only for a list: the schema of its items. */
  item?: z.ZodObject;
  /** The parameter in the mutation's path that names the object; undefined for the one object of its kind (a session). */
  parameter?: string | undefined;
};

const reads = new Map(OPERATIONS.filter(isRest).flatMap((operation) => (operation.http.method === 'GET' ? [[operation.http.path, operation] as const] : [])));

/** The schema of a list's items; undefined for an operation that is no list. */
export function itemOf({ output }: RestOperation): z.ZodObject | undefined {
  const items = output instanceof z.ZodObject ? (output.shape as Record<string, unknown>)['items'] : undefined;
  return items instanceof z.ZodArray && items.element instanceof z.ZodObject ? items.element : undefined;
}

/**
 * The operation that reads what a mutation changes, found in the contracts: of the GET routes whose path begins the
 * mutation's path and ends with the name of an object, the longest; without one, the list in whose path that name
 * follows. Undefined where a mutation changes nothing that was there, or nothing that can be read.
 */
export function readerOf({ http, access }: RestOperation): Reader | undefined {
  // Whoever is nobody yet may read nothing.
  if (access === 'public') return undefined;
  const own = reads.get(http.path);
  if (own && !itemOf(own)) return { operation: own, parameter: pathParameters(http.path).at(-1) };
  const parts = http.path.split('/');
  for (let length = parts.length; length > 1; length -= 1) {
    const parameter = /^\{(\w+)\}$/.exec(parts[length - 1]!)?.[1];
    // Within a workspace everything lies below it, and what is made there does not change the workspace.
    if (parameter === undefined || parameter === 'workspace') continue;
    const object = reads.get(parts.slice(0, length).join('/'));
    if (object) return { operation: object, parameter };
    const list = reads.get(parts.slice(0, length - 1).join('/'));
    const item = list && itemOf(list);
    if (item) return { operation: list, item, parameter };
  }
  return undefined;
}

/** How to read what a mutation takes with it; undefined for one that declares no plan. */
export function plannerOf({ name, http }: RestOperation): Reader | undefined {
  if (http.plannedBy === undefined) return undefined;
  const operation = OPERATIONS.filter(isRest).find((one) => one.name === http.plannedBy);
  if (operation?.http.method !== 'GET') throw new Error(`${name} is planned by ${http.plannedBy}, which is no GET operation.`);
  return { operation };
}

/** The object that a mutation's path names: its id, or its name. */
export function targetOf({ http }: RestOperation, input: Record<string, unknown>): string | null {
  const parameter = pathParameters(http.path).at(-1);
  if (parameter === undefined || (parameter === 'workspace' && !http.path.endsWith('{workspace}'))) return null;
  return String(input[parameter]);
}

/** Whether a view is the one that a parameter names: by its id, or by what the parameter is called. */
export function isNamed(view: Record<string, unknown>, parameter: string, value: unknown): boolean {
  const identity = [view[parameter], view[`${parameter}Id`], view['id']].find((one) => typeof one === 'string');
  return identity !== undefined && identity === value;
}

/** Whether the reply of a mutation shows the object that it changed, so that nobody has to be asked for it again. */
export function repliesWithView({ output }: RestOperation, { operation, item, parameter }: Reader): boolean {
  const view = item ?? operation.output;
  if (!(output instanceof z.ZodObject) || !(view instanceof z.ZodObject)) return false;
  const identity = ['id', ...(parameter === undefined ? [] : [parameter, `${parameter}Id`])].filter((name) => name in view.shape);
  return identity.length > 0 && identity.every((name) => name in output.shape);
}

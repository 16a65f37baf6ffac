import { z } from 'zod';
import type { Operation } from './operation.js';

/** What stands in the place of a secret. */
export const MASKED = '***';

type Definition = {
  type: string;
  shape?: Record<string, z.core.$ZodType>;
  element?: z.core.$ZodType;
  valueType?: z.core.$ZodType;
  options?: readonly z.core.$ZodType[];
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  out?: z.core.$ZodType;
};

/** How a schema is made, as far as members lie below it. */
export const definitionOf = (schema: z.core.$ZodType): Definition => schema._zod.def as unknown as Definition;

/** Whether a schema is marked as that of a secret: `secretText()` and `shownSecret()` do so. */
export const isSecret = (schema: z.core.$ZodType): boolean => z.globalRegistry.get(schema as z.ZodType)?.['format'] === 'password';

/** Whether a schema is marked as that of a secret, or has a member at any depth that is. */
export function holdsSecret(schema: z.core.$ZodType): boolean {
  if (isSecret(schema)) return true;
  const { shape = {}, element, valueType, options = [], innerType, in: before, out } = definitionOf(schema);
  return [...Object.values(shape), ...options, element, valueType, innerType, before, out].some((part) => part !== undefined && holdsSecret(part));
}

/**
 * The value with `***` for every secret that its schema names, for the audit trail. Fails closed: what the schema does
 * not name is left out, and what fits none of its alternatives is masked as a whole. JSON that no schema describes (the
 * config of a trigger) stays as it is. Of every URL the user and password, the query and the fragment are masked: what
 * a webhook is protected by often stands there.
 */
export function maskSecrets(schema: z.core.$ZodType, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (isSecret(schema)) return MASKED;
  const { type, shape, element, valueType, options, innerType, in: before, out } = definitionOf(schema);
  if (type === 'object' && shape) return isRecord(value) ? maskMembers(shape, value) : MASKED;
  if (type === 'array' && element) return Array.isArray(value) ? value.map((item) => maskSecrets(element, item)) : MASKED;
  if (type === 'record' && valueType) {
    return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, maskSecrets(valueType, member)])) : MASKED;
  }
  if (type === 'union' && options) {
    const fitting = options.find((option) => z.safeParse(option, value).success);
    return fitting ? maskSecrets(fitting, value) : MASKED;
  }
  if (innerType) return maskSecrets(innerType, value);
  if (before && out) return isSecret(before) || isSecret(out) ? MASKED : value;
  return type === 'string' && typeof value === 'string' ? maskUrl(value) : value;
}

/** The input of an operation without the secrets in it. */
export const maskInput = ({ input }: Operation, value: Record<string, unknown>): unknown => maskSecrets(input, value);

/** The reply of an operation without the secrets in it, and without what is shown only once. */
export function maskOutput({ output, http }: Operation, value: unknown): unknown {
  const masked = maskSecrets(output, value);
  if (!isRecord(masked)) return masked;
  const revealed = (http?.revealsSecret ?? []).filter((name) => masked[name] !== undefined && masked[name] !== null);
  return { ...masked, ...Object.fromEntries(revealed.map((name) => [name, MASKED])) };
}

/** Scheme, user and password up to the last `@` of the authority, host and path, query and fragment; as lenient as browsers (https://url.spec.whatwg.org/#url-parsing). */
const URL_PARTS = /^(\s*(?:https?:[\\/]*|[a-z][a-z0-9+.-]*:[\\/]+))([^\\/?#]*@)?([^?#]*)([?#].*)?$/is;

/** A text, without what may be a credential if it is a URL. One with such a part that is no proper URL is masked as a whole. */
function maskUrl(value: string): string {
  const [, scheme, user, place, query] = URL_PARTS.exec(value) ?? [];
  if (scheme === undefined) return value;
  if (!URL.canParse(value)) return /[@?#]/.test(value) ? MASKED : value;
  return `${scheme}${user === undefined ? '' : `${MASKED}@`}${place}${query === undefined ? '' : `${query[0]}${MASKED}`}`;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function maskMembers(shape: Record<string, z.core.$ZodType>, value: Record<string, unknown>): Record<string, unknown> {
  const known = Object.entries(shape).filter(([name]) => name in value);
  return Object.fromEntries(known.map(([name, schema]) => [name, maskSecrets(schema, value[name])]));
}

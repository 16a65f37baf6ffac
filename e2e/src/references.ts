import { ID_KINDS, ref } from '@vane/contracts';
import { z } from 'zod';
import type { Route } from './tenant.js';

type Schema = {
  type?: string; pattern?: string; minLength?: number; maxLength?: number;
  properties?: Record<string, Schema>; items?: Schema; anyOf?: Schema[]; oneOf?: Schema[]; allOf?: Schema[];
};

const schemaOf = (schema: z.core.$ZodType): Schema => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Schema;
const REF = schemaOf(ref);
const OF_KIND = new RegExp(`^\\^(?:${Object.values(ID_KINDS).join('|')})_`);

/** `ref`, or `id(kind)`, as the contracts declare the id of an object that a caller names. */
const namesObject = ({ type, pattern, minLength, maxLength }: Schema): boolean =>
  type === 'string' && (OF_KIND.test(pattern ?? '') || (minLength === REF.minLength && maxLength === REF.maxLength));

/** Members of a route's query and body that name objects by id, such as `connectionId` or `triggers[]`; those of its path are left out. */
export function referencesIn({ http, input }: Route): string[] {
  const inPath = (name: string) => http.path.includes(`{${name}}`);
  return [...new Set(membersIn(schemaOf(input), ''))].filter((name) => !inPath(name));
}

function membersIn(schema: Schema, name: string): string[] {
  if (namesObject(schema)) return [name];
  const { properties = {}, items, anyOf = [], oneOf = [], allOf = [] } = schema;
  return [
    ...Object.entries(properties).flatMap(([member, below]) => membersIn(below, name === '' ? member : `${name}.${member}`)),
    ...(items ? membersIn(items, `${name}[]`) : []),
    ...[...anyOf, ...oneOf, ...allOf].flatMap((option) => membersIn(option, name)),
  ];
}

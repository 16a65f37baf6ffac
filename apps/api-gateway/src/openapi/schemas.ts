import { z } from 'zod';

export type JsonSchema = { [member: string]: unknown };
type Io = 'input' | 'output';

const DEFS = '#/$defs/';
const COMPONENTS = '#/components/schemas/';

/**
 * Turns contracts into JSON Schema, with every schema that has an id as one component. A schema that is sent in another
 * form than it is answered (defaults make members optional) becomes two components, `Name` and `NameInput`.
 */
export class SchemaCollection {
  private readonly outputs = new Map<string, JsonSchema>();
  private readonly inputs = new Map<string, JsonSchema>();

  /** The schema of what Vane answers. Members may be added to it in time, so it never says that there are no others. */
  output(schema: z.ZodType): JsonSchema {
    return this.convert(schema, 'output');
  }

  /** The schema of what Vane takes. */
  input(schema: z.ZodType): JsonSchema {
    return this.convert(schema, 'input');
  }

  /** All components, by name; and what references in the schemas returned so far have to be renamed to. */
  components(): { schemas: Record<string, JsonSchema>; inputName: (name: string) => string } {
    const differing = this.differing();
    const inputName = (name: string) => (differing.has(name) ? `${name}Input` : name);
    const schemas: Record<string, JsonSchema> = {};
    for (const [name, schema] of this.outputs) schemas[name] = schema;
    for (const [name, schema] of this.inputs) schemas[inputName(name)] ??= renameRefs(schema, inputName);
    return { schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))), inputName };
  }

  private convert(schema: z.ZodType, io: Io): JsonSchema {
    const { $schema: _, $defs = {}, ...root } = z.toJSONSchema(schema, { io, override: simplify }) as JsonSchema;
    const names = nameAnonymous($defs as Record<string, JsonSchema>);
    const settle = (part: JsonSchema) => renameRefs(part, (name) => names(name)) as JsonSchema;
    const collected = io === 'input' ? this.inputs : this.outputs;
    for (const [name, definition] of Object.entries($defs as Record<string, JsonSchema>)) collected.set(names(name), settle(definition));
    return settle(root);
  }

  private differing(): Set<string> {
    const same = (name: string, schema: JsonSchema) => JSON.stringify(this.outputs.get(name)) === JSON.stringify(schema);
    const found = new Set([...this.inputs].filter(([name, schema]) => this.outputs.has(name) && !same(name, schema)).map(([name]) => name));
    for (let before = -1; before !== found.size; ) {
      before = found.size;
      for (const [name, schema] of this.inputs) if (refsOf(schema).some((ref) => found.has(ref))) found.add(name);
    }
    return found;
  }
}

/** Replaces the names in references to components. */
export function renameRefs<T>(value: T, rename: (name: string) => string): T {
  if (Array.isArray(value)) return value.map((item: unknown) => renameRefs(item, rename)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, member]: [string, unknown]) => {
    if (key !== '$ref' || typeof member !== 'string') return [key, renameRefs(member, rename)];
    return [key, COMPONENTS + rename(refName(member))];
  });
  return Object.fromEntries(entries) as T;
}

const refName = (ref: string): string => ref.slice(ref.startsWith(DEFS) ? DEFS.length : COMPONENTS.length);

function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => (key === '$ref' ? [refName(String(member))] : refsOf(member)));
}

/** The only recursive schema without an id is that of any JSON value, of which every use makes a definition of its own. */
function nameAnonymous(definitions: Record<string, JsonSchema>): (name: string) => string {
  for (const [name, definition] of Object.entries(definitions)) {
    if (!name.startsWith('__')) continue;
    if (!Array.isArray(definition['anyOf']) || definition['anyOf'].length !== 6) {
      throw new Error('A recursive schema of the contracts has no id; give it one with .meta({ id }).');
    }
  }
  return (name) => (name.startsWith('__') ? 'Json' : name);
}

function simplify({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: JsonSchema }): void {
  // The format says it, and its pattern is longer than the rest of most schemas.
  if (jsonSchema['format'] === 'date-time') delete jsonSchema['pattern'];
  if (zodSchema._zod.def.type === 'object' && jsonSchema['additionalProperties'] === false) delete jsonSchema['additionalProperties'];
  if (zodSchema._zod.def.type === 'record') delete jsonSchema['propertyNames'];
}

import { ERRORS, OPERATIONS, scopeOf, takesIdempotencyKey, type Access, type ErrorCode } from '@vane/contracts';
import { z } from 'zod';
import { CSRF_HEADER } from '../access/csrf.js';
import { freeMembers, isRest, pathParameters, readsQuery, type RestOperation } from '../http/input.js';
import { problemType } from '../http/problem.js';
import { renameRefs, SchemaCollection, type JsonSchema } from './schemas.js';

export type OpenApiDocument = {
  openapi: string;
  info: JsonSchema;
  servers: JsonSchema[];
  security: JsonSchema[];
  tags: { name: string }[];
  paths: Record<string, Record<string, JsonSchema>>;
  components: Record<string, Record<string, JsonSchema>>;
};

const CODES = Object.keys(ERRORS) as ErrorCode[];

/**
 * The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1.html) of the REST API, made from the operations alone:
 * a route exists here exactly when the gateway mounts it.
 */
export function openApiDocument(): OpenApiDocument {
  const operations = OPERATIONS.filter(isRest);
  const schemas = new SchemaCollection();
  const outputs = new Map(operations.map((operation) => [operation.name, schemas.output(shownOutput(operation))]));
  const inputs = new Map(operations.map((operation) => [operation.name, schemas.input(operation.input)]));
  const { schemas: components, inputName } = schemas.components();
  for (const { name, http } of operations) markRevealed(outputs.get(name)!, http.revealsSecret ?? [], components);
  const paths: OpenApiDocument['paths'] = {};
  for (const operation of operations) {
    const input = renameRefs(inputs.get(operation.name)!, inputName);
    const path = (paths[operation.http.path] ??= {});
    path[operation.http.method.toLowerCase()] = entryOf(operation, input, outputs.get(operation.name)!, components);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Vane',
      version: '1',
      description: 'Turns what happens in other services into runs of your own code.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api/v1' }],
    security: [{ apiToken: [] }, { session: [], csrf: [] }],
    tags: [...new Set(operations.map(tagOf))].map((name) => ({ name })),
    paths,
    components: { schemas: { ...components, Problem: problemSchema() }, ...fixedComponents() },
  };
}

const tagOf = ({ name }: RestOperation): string => name.split('.', 1)[0]!;

function entryOf(operation: RestOperation, input: JsonSchema, output: JsonSchema, components: Record<string, JsonSchema>): JsonSchema {
  const { http, access } = operation;
  return {
    operationId: operation.name,
    tags: [tagOf(operation)],
    summary: operation.summary,
    description: descriptionOf(operation),
    'x-vane-access': access,
    ...securityOf(operation),
    parameters: parametersOf(operation, input),
    ...bodyOf(operation, input),
    responses: {
      [typeof http.status === 'function' ? '2XX' : String(http.status ?? 200)]: {
        description: typeof http.status === 'function' ? 'Done, or 202: accepted, and still under way' : 'Done',
        headers: headersOf(operation, output, components),
        content: { [operation.http.csvOf === undefined ? 'application/json' : 'text/csv']: { schema: output } },
      },
      ...problemsOf(operation),
    },
  };
}

/** What the body of an answer holds: the token of a session is in a cookie. */
function shownOutput({ http, output }: RestOperation): z.ZodType {
  return http.session === 'opens' ? (output as unknown as z.ZodObject).omit({ sessionToken: true }) : output;
}

/** Who may ask an operation, and how, where that differs from the rest of the document. */
function securityOf({ access, http }: RestOperation): JsonSchema {
  if (access === 'public') return { security: [] };
  const session = { session: [], ...(http.method === 'GET' ? {} : { csrf: [] }) };
  if (access === 'user') return { security: [session] };
  return http.method === 'GET' ? { security: [{ apiToken: [] }, session] } : {};
}

const WHO: Partial<Record<Access, string>> = {
  anyone: 'Any valid token or session may ask this.',
  user: 'For people who are signed in.',
  public: 'Anybody may ask this.',
};

function descriptionOf(operation: RestOperation): string {
  const { access, http } = operation;
  const scope = access === 'user' || access === 'public' ? '' : ` A token needs the scope ${scopeOf(operation)}.`;
  const who = `${WHO[access] ?? `Needs the role ${access}, or one above it.`}${scope}`;
  const revealed = http.revealsSecret ?? [];
  if (revealed.length === 0) return who;
  return `${who} Shown once: ${revealed.join(', ')}. An answer replayed for an Idempotency-Key has null there.`;
}

function parametersOf(operation: RestOperation, input: JsonSchema): JsonSchema[] {
  const properties = input['properties'] as Record<string, JsonSchema>;
  const required = (input['required'] ?? []) as string[];
  const inPath = pathParameters(operation.http.path).map((name) => ({ name, in: 'path', required: true, schema: properties[name] }));
  const inQuery = readsQuery(operation)
    ? freeMembers(operation).map((name) => ({ name, in: 'query', required: required.includes(name), schema: properties[name] }))
    : [];
  const named = ['RequestId', ...(takesIdempotencyKey(operation) ? ['IdempotencyKey'] : []), ...(operation.http.ifMatch ? ['IfMatch'] : [])];
  return [...inPath, ...inQuery, ...named.map((name) => ({ $ref: `#/components/parameters/${name}` }))];
}

function bodyOf(operation: RestOperation, input: JsonSchema): JsonSchema {
  const members = freeMembers(operation);
  if (readsQuery(operation) || members.length === 0) return {};
  const all = input['properties'] as Record<string, JsonSchema>;
  const required = ((input['required'] ?? []) as string[]).filter((name) => members.includes(name));
  const schema = {
    type: 'object',
    properties: Object.fromEntries(members.map((name) => [name, all[name]])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
  return { requestBody: { required: required.length > 0, content: { 'application/json': { schema } } } };
}

function headersOf(operation: RestOperation, output: JsonSchema, components: Record<string, JsonSchema>): JsonSchema {
  const properties = resolve(output, components)['properties'] as Record<string, JsonSchema> | undefined;
  const names = {
    'x-request-id': 'RequestId',
    ...(properties?.['version'] ? { etag: 'Version' } : {}),
    ...(takesIdempotencyKey(operation) ? { 'idempotency-replayed': 'IdempotencyReplayed' } : {}),
    ...(operation.http.session ? { 'set-cookie': 'SessionCookie' } : {}),
  };
  return Object.fromEntries(Object.entries(names).map(([header, name]) => [header, { $ref: `#/components/headers/${name}` }]));
}

/** Errors that the gateway itself answers with; owners add their own, which `default` stands for. */
function problemsOf(operation: RestOperation): JsonSchema {
  const { mutates, http } = operation;
  const withBody = readsQuery(operation) ? [] : [413, 415];
  const statuses = [400, 401, 403, 404, 503, 504, ...(mutates ? [409] : []), ...(http.guesses || operation.access === 'public' ? [429] : []), ...(http.ifMatch ? [428] : []), ...withBody];
  const problem = { $ref: '#/components/responses/Problem' };
  return Object.fromEntries([...statuses.sort((a, b) => a - b).map(String), 'default'].map((status) => [status, problem]));
}

const resolve = (schema: JsonSchema, components: Record<string, JsonSchema>): JsonSchema =>
  typeof schema['$ref'] === 'string' ? (components[schema['$ref'].split('/').at(-1)!] ?? {}) : schema;

/** What is shown once may be null: that is what a replayed answer holds. */
function markRevealed(output: JsonSchema, members: readonly string[], components: Record<string, JsonSchema>): void {
  const properties = resolve(output, components)['properties'] as Record<string, JsonSchema>;
  for (const member of members) {
    const shown = properties[member];
    if (!shown) throw new Error(`A reply shows ${member} once, but has no such member.`);
    if (JSON.stringify(shown).includes('"null"')) continue;
    properties[member] = { anyOf: [shown, { type: 'null' }] };
  }
}

function problemSchema(): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(
    z.object({
      type: z.enum(CODES.map(problemType)),
      title: z.string(),
      status: z.number().int(),
      detail: z.string().describe('A sentence that says what is wrong and what to do'),
      code: z.enum(CODES).describe(CODES.map((code) => `- \`${code}\` (${ERRORS[code].status}, retry ${ERRORS[code].retry}): ${ERRORS[code].title}`).join('\n')),
      requestId: z.string(),
      fields: z.array(z.object({ path: z.string(), message: z.string() })).describe('Members of the input that are wrong'),
    }),
    { io: 'input' },
  );
  return { ...schema, description: 'RFC 9457 problem document' };
}

const fixedComponents = (): Omit<OpenApiDocument['components'], 'schemas'> => ({
  securitySchemes: {
    apiToken: { type: 'http', scheme: 'bearer', description: 'An API token, vat_...' },
    session: { type: 'apiKey', in: 'cookie', name: '__Host-vane_session', description: 'Opened by session.sign-in; named vane_session where the API is reached over plain http' },
    csrf: { type: 'apiKey', in: 'header', name: CSRF_HEADER, description: 'With a session, for everything but GET: the csrfToken of session.get' },
  },
  responses: {
    Problem: {
      description: 'The call failed; `code` says why',
      headers: { 'x-request-id': { $ref: '#/components/headers/RequestId' }, 'retry-after': { $ref: '#/components/headers/RetryAfter' } },
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
  parameters: {
    RequestId: { name: 'x-request-id', in: 'header', schema: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' }, description: 'Follows the call through logs; made up when left out' },
    IdempotencyKey: {
      name: 'Idempotency-Key',
      in: 'header',
      schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
      description: 'A repeat with the same key and the same request gets the first answer, for 24 hours',
    },
    IfMatch: { name: 'If-Match', in: 'header', required: true, schema: { type: 'string' }, description: 'The version you have read, as in ETag', example: '"3"' },
  },
  headers: {
    RequestId: { schema: { type: 'string' }, description: 'Quote this when you report a problem' },
    Version: { schema: { type: 'string' }, description: 'Version of the object, for If-Match' },
    IdempotencyReplayed: { schema: { type: 'string', const: 'true' }, description: 'This is the first answer again' },
    SessionCookie: { schema: { type: 'string' }, description: 'Sets the cookie of the session, or removes it' },
    RetryAfter: { schema: { type: 'integer' }, description: 'Seconds' },
  },
});

import { callContext, deliveryHeader, executeRun, itemWork, OPERATIONS, SCHEDULES, scheduledWork, SIGNALS, type Job } from '@vane/contracts';
import { z } from 'zod';

type JsonSchema = Record<string, unknown>;

const JOBS: Job[] = [executeRun, scheduledWork, itemWork];

/** What a sender may write (`input`) or what a reader gets (`output`), as JSON Schema 2020-12. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonSchema;
  return rest;
}

const byName = <T extends { name: string }>(items: readonly T[], describe: (item: T) => JsonSchema): JsonSchema =>
  Object.fromEntries([...items].sort((a, b) => a.name.localeCompare(b.name)).map((item) => [item.name, describe(item)]));

/** Every message of Vane as data, so that a change of the contracts shows as a change of this document. */
export function contractsDocument(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    callContext: schemaOf(callContext, 'input'),
    operations: byName(OPERATIONS, ({ owner, access, mutates, deadlineMs, http, input, output }) => ({
      owner, access, mutates, deadlineMs,
      ...(http ? { http: { method: http.method, path: http.path } } : {}),
      input: schemaOf(input, 'input'),
      output: schemaOf(output, 'output'),
    })),
    signals: byName(SIGNALS, ({ schema }) => schemaOf(schema, 'input')),
    jobs: byName(JOBS, ({ queue, schema }) => ({ queue, data: schemaOf(schema, 'input') })),
    schedules: Object.fromEntries(SCHEDULES.map(({ name, everyMs }) => [name, everyMs])),
    deliveryHeader: schemaOf(deliveryHeader, 'input'),
  };
}

import { z } from 'zod';
import { ACTOR_KINDS, defineOperation } from './operation.js';
import { id, instant, json, page, pageQuery, ref, text } from './scalars.js';

/** `ok`, a code of `ERRORS`, or `unknown`: nobody came to note the end, because it is still awaited or was cut off. */
export const UNKNOWN_OUTCOME = 'unknown';

export const auditEntryView = z
  .object({
    id: id('audit'),
    at: instant,
    workspaceId: id('workspace').nullable().describe('null for what concerns the instance or a person'),
    actorKind: z.enum(ACTOR_KINDS),
    actorId: z.string(),
    actorLabel: z.string().describe('As it was then: an e-mail address, the name of a token'),
    userId: z.string().nullable().describe('The person behind the actor, where there is one'),
    operation: z.string(),
    targetId: z.string().nullable().describe('Id, or name, of the object that was changed or made'),
    outcome: z.string().describe('`ok`, the code of an error, or `unknown`: still under way, or cut off before its end was noted'),
    status: z.number().int().nullable().describe('HTTP status of the answer'),
    correlationId: z.string().describe('The x-request-id of the request'),
    address: z.string().describe('Where the request came from'),
    endedAt: instant.nullable(),
    input: json.nullable().describe('What was asked; secrets masked, long texts as their SHA-256 and length'),
    before: json.nullable().describe('The object before; null when there was none'),
    after: json.nullable().describe('The object after; null when there is none any more. Its member `reply` is the answer, where that says more than the object'),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntryView = z.infer<typeof auditEntryView>;

const filter = {
  actor: ref.optional().describe('Id of a token, or of a person: then also what their tokens did'),
  operation: text().max(100).optional().describe('Such as `triggers.update`, or `triggers.` for all of triggers'),
  target: text().max(200).optional().describe('Id, or name, of the object'),
  outcome: text().max(64).optional().describe('`ok`, the code of an error, or `unknown`'),
  from: instant.optional().describe('Not before'),
  to: instant.optional().describe('Before'),
  q: text().max(200).optional().describe("A part of the actor's label, the target or the operation"),
};

/** Pages may be short, even empty, while `next` is not null: one call looks at a bounded number of entries. */
export const listAudit = defineOperation({
  name: 'audit.list',
  owner: 'api-gateway',
  summary: 'Read the audit trail of a workspace; a page may be short while `next` says that there is more',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/audit' },
  input: z.object({ workspace: ref, ...pageQuery, ...filter }),
  output: page(auditEntryView),
});

export const exportAudit = defineOperation({
  name: 'audit.export',
  owner: 'api-gateway',
  summary: 'Download the audit trail of a workspace as CSV (RFC 4180)',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/audit/export', csvOf: listAudit.name },
  input: z.object({ workspace: ref, ...filter }),
  output: z.string(),
});

export const listInstanceAudit = defineOperation({
  name: 'audit.list-instance',
  owner: 'api-gateway',
  summary: 'Read the audit trail of all workspaces, and of what belongs to none',
  access: 'superadmin',
  http: { method: 'GET', path: '/audit', isolationExempt: 'Only superadmins, who see every workspace, may ask' },
  input: z.object({ ...pageQuery, ...filter }),
  output: page(auditEntryView),
});

export const exportInstanceAudit = defineOperation({
  name: 'audit.export-instance',
  owner: 'api-gateway',
  summary: 'Download the audit trail of all workspaces, and of what belongs to none, as CSV (RFC 4180)',
  access: 'superadmin',
  http: { method: 'GET', path: '/audit/export', csvOf: listInstanceAudit.name, isolationExempt: 'Only superadmins, who see every workspace, may ask' },
  input: z.object({ ...filter }),
  output: z.string(),
});

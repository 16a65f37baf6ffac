import { parsePointer } from '@vane/kit';
import { z } from 'zod';

const headerName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/, 'is not a header name')
  .toLowerCase();

const pointer = z
  .string()
  .max(500)
  .refine(isPointer, 'is not a JSON Pointer: start with /, as in /data/id')
  .refine((value) => value !== '', 'must name something inside the body, as in /data/id');

function isPointer(value: string): boolean {
  try {
    parsePointer(value);
    return true;
  } catch {
    return false;
  }
}

const fields = z.strictObject({
  scheme: z.enum(['standard-webhooks', 'hmac', 'shared-secret', 'none']).meta({
    title: 'How the sender proves itself',
    description:
      'standard-webhooks: webhook-id, webhook-timestamp and webhook-signature headers. hmac: a signature over the body in a header you name. ' +
      'shared-secret: the secret itself in a header. none: nothing is checked, whoever knows the URL can start runs.',
  }),
  header: headerName.optional().meta({ title: 'Header', description: 'Carries the signature (hmac) or the secret (shared-secret)' }),
  prefix: z.string().max(50).optional().meta({ title: 'Prefix', description: 'Fixed text before it in the header, such as "sha256=" or "Bearer "' }),
  hash: z.enum(['sha256', 'sha512', 'sha1']).optional().meta({ title: 'Hash', description: 'hmac only; sha256 if left out' }),
  encoding: z.enum(['hex', 'base64']).optional().meta({ title: 'Encoding', description: 'hmac only; hex if left out' }),
  timestampHeader: headerName.optional().meta({ title: 'Timestamp header', description: 'hmac only; when the message was sent, in Unix time' }),
  timestampUnit: z.enum(['s', 'ms']).optional().meta({ title: 'Timestamp unit', description: 'Seconds if left out' }),
  timestampToleranceSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .meta({ title: 'Timestamp tolerance', description: 'Refused when further from now than this many seconds; 300 if left out' }),
  signedContent: z.string().max(200).optional().meta({
    title: 'Signed content',
    description:
      'hmac only; what is signed, from {body}, {timestamp} and {id}. If left out: {body}, with a timestamp header {timestamp}.{body}',
  }),
  idHeader: headerName.optional().meta({ title: 'Event id header', description: 'The same id twice runs once' }),
  idPointer: pointer.optional().meta({ title: 'Event id in the body', description: 'JSON Pointer, such as /data/id' }),
  typeHeader: headerName.optional().meta({ title: 'Event type header' }),
  typePointer: pointer.optional().meta({ title: 'Event type in the body', description: 'JSON Pointer, such as /type' }),
  bodyFormat: z.enum(['json', 'text', 'form']).default('json').meta({ title: 'Body' }),
});

type Fields = z.output<typeof fields>;
type Field = keyof Fields;

/** Fields that mean nothing under a scheme are refused: a timestamp that is silently not checked would be a trap. */
const SCHEME_FIELDS: Record<Fields['scheme'], Field[]> = {
  'standard-webhooks': [],
  hmac: ['header', 'prefix', 'hash', 'encoding', 'timestampHeader', 'timestampUnit', 'timestampToleranceSeconds', 'signedContent'],
  'shared-secret': ['header', 'prefix'],
  none: [],
};

const CREDENTIAL_HEADERS = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'];

function* complaintsAbout(config: Fields): Generator<[Field, string]> {
  const given = (field: Field): boolean => config[field] !== undefined;
  const meaningful = SCHEME_FIELDS[config.scheme];
  for (const field of SCHEME_FIELDS.hmac) {
    if (given(field) && !meaningful.includes(field)) yield [field, `means nothing under the scheme ${config.scheme}; leave it out`];
  }
  if (meaningful.includes('header') && !given('header')) yield ['header', `is needed for the scheme ${config.scheme}`];
  for (const field of ['timestampUnit', 'timestampToleranceSeconds'] as const) {
    if (given(field) && !given('timestampHeader')) yield [field, 'needs timestampHeader'];
  }
  if (given('idHeader') && given('idPointer')) yield ['idPointer', 'cannot be given together with idHeader'];
  if (given('typeHeader') && given('typePointer')) yield ['typePointer', 'cannot be given together with typeHeader'];
  for (const field of ['idPointer', 'typePointer'] as const) {
    if (given(field) && config.bodyFormat === 'text') yield [field, 'needs a body of json or form'];
  }
  for (const field of ['idHeader', 'typeHeader', 'timestampHeader'] as const) {
    const name = config[field];
    if (name && name === config.header) yield [field, 'is the header of the secret or signature, which is never stored'];
    else if (name && CREDENTIAL_HEADERS.includes(name)) yield [field, 'is a header that carries credentials, which is never stored'];
  }
  yield* complaintsAboutSignedContent(config);
}

function* complaintsAboutSignedContent(config: Fields): Generator<[Field, string]> {
  const { signedContent } = config;
  if (signedContent === undefined) return;
  const names = placeholdersOf(signedContent);
  if (names.filter((name) => name === 'body').length !== 1) yield ['signedContent', 'must contain {body} once'];
  for (const name of names) {
    if (!['body', 'timestamp', 'id'].includes(name)) yield ['signedContent', `knows {body}, {timestamp} and {id}, not {${name}}`];
  }
  if (names.includes('timestamp') && !config.timestampHeader) yield ['signedContent', 'needs timestampHeader for {timestamp}'];
  if (names.includes('id') && !config.idHeader) yield ['signedContent', 'needs idHeader for {id}'];
}

function placeholdersOf(template: string): string[] {
  return [...template.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? '');
}

/** One flat form; what belongs to another scheme than the chosen one is refused with the field's name. */
export const config = fields.superRefine((value, context) => {
  for (const [field, message] of complaintsAbout(value)) context.addIssue({ code: 'custom', path: [field], message });
});

export type Config = Fields;

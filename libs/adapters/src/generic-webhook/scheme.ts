import type { JsonObject, SignedPart, VerificationScheme } from '@vane/kit';
import type { Config } from './config.js';

/** The config with every default filled in, as a trigger's subscription keeps it. */
export type Want = JsonObject & {
  verification: JsonObject;
  idHeader: string | null;
  idPointer: string | null;
  typeHeader: string | null;
  typePointer: string | null;
  timePointer: string | null;
  bodyFormat: Config['bodyFormat'];
};

const TOLERANCE_SECONDS = 300;

/** Standard Webhooks, symmetric: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const standardWebhooks: VerificationScheme = {
  kind: 'hmac',
  hash: 'sha256',
  header: 'webhook-signature',
  key: { as: 'base64', prefix: 'whsec_' },
  encoding: 'base64',
  format: { form: 'versioned-list', version: 'v1' },
  signed: [{ header: 'webhook-id' }, { literal: '.' }, { header: 'webhook-timestamp' }, { literal: '.' }, { part: 'body' }],
  timestamp: { header: 'webhook-timestamp', unit: 's', toleranceSeconds: TOLERANCE_SECONDS },
};

export function wantOf(config: Config): Want {
  const standard = config.scheme === 'standard-webhooks';
  const ownId = config.idHeader !== undefined || config.idPointer !== undefined;
  const ownType = config.typeHeader !== undefined || config.typePointer !== undefined;
  const standardBody = standard && config.bodyFormat === 'json';
  return {
    verification: verificationOf(config) as unknown as JsonObject,
    idHeader: config.idHeader ?? (standard && !ownId ? 'webhook-id' : null),
    idPointer: config.idPointer ?? null,
    typeHeader: config.typeHeader ?? null,
    typePointer: config.typePointer ?? (standardBody && !ownType ? '/type' : null),
    timePointer: standardBody ? '/timestamp' : null,
    bodyFormat: config.bodyFormat,
  };
}

function verificationOf(config: Config): VerificationScheme {
  switch (config.scheme) {
    case 'none':
      return { kind: 'none' };
    case 'standard-webhooks':
      return standardWebhooks;
    case 'shared-secret':
      return { kind: 'shared-secret', header: headerOf(config), prefix: config.prefix ?? '' };
    case 'hmac':
      return {
        kind: 'hmac',
        hash: config.hash ?? 'sha256',
        header: headerOf(config),
        key: { as: 'utf8' },
        encoding: config.encoding ?? 'hex',
        format: config.prefix ? { form: 'prefix', prefix: config.prefix } : { form: 'plain' },
        signed: signedPartsOf(config),
        ...(config.timestampHeader && {
          timestamp: {
            header: config.timestampHeader,
            unit: config.timestampUnit ?? 's',
            toleranceSeconds: config.timestampToleranceSeconds ?? TOLERANCE_SECONDS,
          },
        }),
      };
  }
}

function headerOf({ header, scheme }: Config): string {
  if (header === undefined) throw new TypeError(`The scheme ${scheme} needs a header.`);
  return header;
}

function signedPartsOf({ signedContent, timestampHeader, idHeader }: Config): SignedPart[] {
  const template = signedContent ?? (timestampHeader ? '{timestamp}.{body}' : '{body}');
  return template.split(/(\{[^{}]*\})/).flatMap((piece): SignedPart[] => {
    if (piece === '{body}') return [{ part: 'body' }];
    if (piece === '{timestamp}' && timestampHeader) return [{ header: timestampHeader }];
    if (piece === '{id}' && idHeader) return [{ header: idHeader }];
    return piece === '' ? [] : [{ literal: piece }];
  });
}

/** The secret as the scheme's senders expect it; none for the scheme that checks nothing. */
export function secretFor({ verification }: Want, random: (bytes: number) => Uint8Array): string {
  const scheme = verification as unknown as VerificationScheme;
  if (scheme.kind === 'none') return '';
  const bytes = Buffer.from(random(32));
  return scheme.kind === 'hmac' && scheme.key.as === 'base64' ? `whsec_${bytes.toString('base64')}` : bytes.toString('base64url');
}

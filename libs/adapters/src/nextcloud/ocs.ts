import { ServiceError, type ServiceErrorKind, type ServiceHttp, type ServiceRequest } from '@vane/kit';
import { z } from 'zod';

const meta = z.object({ status: z.string(), statuscode: z.int(), message: z.string().nullish() });
const envelope = z.object({ ocs: z.object({ meta, data: z.unknown() }) });

export const user = z.object({ id: z.string().min(1), displayname: z.string().nullish() });

/** No enabled app knows the route, as opposed to 404: the app knows of no such thing. */
export const UNKNOWN_ROUTE = 998;

/** What an OCS route answered: `statuscode` is 200 or, where the caller accepts it, the reason why not. */
export type OcsAnswer = { statuscode: number; data: unknown };

/**
 * A call to an OCS route, out of its envelope (https://docs.nextcloud.com/server/latest/developer_manual/client_apis/OCS/ocs-api-overview.html).
 *
 * @throws ServiceError also for a failure inside an answer of status 200.
 */
export async function call(http: ServiceHttp, wanted: Omit<ServiceRequest, 'host' | 'query' | 'headers'>): Promise<OcsAnswer> {
  const { status, json } = await http.request({
    ...wanted,
    host: 'base',
    query: { format: 'json' },
    headers: { accept: 'application/json', 'ocs-apirequest': 'true' },
  });
  const { ocs } = readAs(envelope, json, 'an OCS answer');
  const { statuscode } = ocs.meta;
  if (ocs.meta.status === 'ok') return { statuscode: 200, data: ocs.data };
  if (wanted.accept?.includes(status)) return { statuscode, data: ocs.data };
  throw new ServiceError(kindOf(statuscode), `Nextcloud answered that it failed (OCS ${statuscode}${said(ocs.meta.message)}).`, { status });
}

function kindOf(statuscode: number): ServiceErrorKind {
  const kinds: Record<number, ServiceErrorKind> = {
    401: 'unauthorised', 997: 'unauthorised', 403: 'forbidden', 404: 'not_found', [UNKNOWN_ROUTE]: 'not_found', 409: 'conflict', 429: 'rate_limited',
  };
  return kinds[statuscode] ?? (statuscode >= 400 && statuscode < 500 ? 'invalid' : 'unavailable');
}

const said = (message: string | null | undefined): string => (message && !isInternal(message) ? `: ${message.slice(0, 500)}` : '');

/** Where nothing is found Nextcloud tells its SQL, which helps nobody who reads it. */
const isInternal = (message: string): boolean => /\b(?:SELECT|INSERT|UPDATE|DELETE)\b.*\b(?:FROM|INTO|SET)\b|SQLSTATE|\*PREFIX\*/s.test(message);

/** @throws ServiceError `garbage` when the answer is not `what`. */
export function readAs<Shape extends z.ZodType>(shape: Shape, json: unknown, what: string): z.output<Shape> {
  const read = shape.safeParse(json);
  if (read.success) return read.data;
  throw new ServiceError('garbage', `Nextcloud answered something that is not ${what}; it will be tried again.`);
}

const failure = z.union([z.object({ ocs: z.object({ meta }) }).transform(({ ocs }) => ocs.meta.message), z.object({ message: z.string() }).transform(({ message }) => message)]);

/** Nextcloud's own words, in the OCS envelope or beside it. */
export function errorMessage(json: unknown): string | undefined {
  const message = failure.safeParse(json).data;
  return message && !isInternal(message) ? message : undefined;
}

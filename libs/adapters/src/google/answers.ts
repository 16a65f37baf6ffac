import { ServiceError, StaleCursor, type Json, type JsonObject, type ServiceErrorKind, type ServiceHttp, type ServiceRequest } from '@vane/kit';
import { z } from 'zod';

const detail = z.looseObject({ reason: z.string(), message: z.string(), location: z.string() }).partial();

/**
 * https://developers.google.com/workspace/drive/api/guides/handle-errors and
 * https://developers.google.com/workspace/calendar/api/guides/errors
 */
const failure = z.object({
  error: z.object({
    message: z.string().optional(),
    status: z.string().optional(),
    errors: z.array(detail).optional().catch(undefined),
    details: z.array(detail).optional().catch(undefined),
  }),
});

type Failure = { message: string | undefined; reasons: string[]; locations: string[] };

function failureOf(json: unknown): Failure | undefined {
  const read = failure.safeParse(json);
  if (!read.success) return undefined;
  const { message, status, errors = [], details = [] } = read.data.error;
  const reasons = [...errors, ...details].flatMap(({ reason }) => reason ?? []);
  return { message: message ?? errors[0]?.message, reasons: status === undefined ? reasons : [...reasons, status], locations: errors.flatMap(({ location }) => location ?? []) };
}

/** Google's sentence, with the reason where it is about the address of a channel. */
export function errorMessage(json: unknown): string | undefined {
  const read = failureOf(json);
  const push = read?.reasons.find((reason) => reason.startsWith('push.'));
  return read?.message === undefined ? push : [read.message, ...(push ? [`(${push})`] : [])].join(' ');
}

/** Reasons of a 403 that say "too fast" or "too much today", not "never". */
const LIMITS = ['rateLimitExceeded', 'userRateLimitExceeded', 'subscriptionRateLimitExceeded', 'dailyLimitExceeded', 'quotaExceeded', 'RATE_LIMIT_EXCEEDED', 'RESOURCE_EXHAUSTED'];

/** Google answers an exhausted quota with 403 as often as with 429. */
export function isRateLimit(status: number, json: unknown): boolean {
  return status === 403 && (failureOf(json)?.reasons.some((reason) => LIMITS.includes(reason)) ?? false);
}

/** @throws ServiceError `garbage` when the answer is not `what`. */
export function readAs<Shape extends z.ZodType>(shape: Shape, json: unknown, what: string): z.output<Shape> {
  const read = shape.safeParse(json);
  if (read.success) return read.data;
  throw new ServiceError('garbage', `Google answered something that is not ${what}; it will be tried again.`);
}

type Get = { path: string; query?: ServiceRequest['query'] };

export async function get<Shape extends z.ZodType>(http: ServiceHttp, asked: Get, shape: Shape, what: string): Promise<z.output<Shape>> {
  const { json } = await http.request({ method: 'GET', host: 'api', ...asked });
  return readAs(shape, json, what);
}

/** As `get`; null when Google says 404. */
export async function find<Shape extends z.ZodType>(http: ServiceHttp, asked: Get, shape: Shape, what: string): Promise<z.output<Shape> | null> {
  const { status, json } = await http.request({ method: 'GET', host: 'api', ...asked, accept: [404] });
  return status === 404 ? null : readAs(shape, json, what);
}

const REFUSALS: Record<number, ServiceErrorKind> = { 400: 'invalid', 404: 'not_found' };

/**
 * A page of a list that goes on behind `query.pageToken` or `query.syncToken`.
 *
 * @throws StaleCursor when Google says that it is this token that it does not take
 */
export async function getBehind<Shape extends z.ZodType>(http: ServiceHttp, asked: Get, shape: Shape, what: string): Promise<z.output<Shape>> {
  const { status, json } = await http.request({ method: 'GET', host: 'api', ...asked, accept: [400, 404, 410] });
  if (status < 300) return readAs(shape, json, what);
  const said = `HTTP ${status}${errorMessage(json) ? `: ${errorMessage(json)!.slice(0, 300)}` : ''}`;
  const isToken = failureOf(json)?.locations.some((location) => location === 'pageToken' || location === 'syncToken') ?? false;
  // 410 says nothing else here: https://developers.google.com/workspace/calendar/api/guides/sync#full_sync_required_by_server
  if (status === 410 || isToken) throw new StaleCursor(`Google does not know any more where the last fetch stopped (${said}).`);
  throw new ServiceError(REFUSALS[status] ?? 'invalid', `Google did not hand over ${what} (${said}); check that the connected account can still see it.`, { status });
}

/** What an adapter keeps between two calls, written as JSON. @throws StaleCursor when it was not written by `writeCursor`. */
export function readCursor<Shape extends z.ZodType>(shape: Shape, cursor: string): z.output<Shape> {
  try {
    return shape.parse(JSON.parse(cursor));
  } catch (cause) {
    throw new StaleCursor('What was remembered of the last fetch cannot be read.', { cause });
  }
}

export const writeCursor = (value: JsonObject): string => JSON.stringify(value);

/** A time as Google gives it, or null where it is none. */
export function timeOf(value: Json | undefined): string | null {
  const read = z.iso.datetime({ offset: true }).safeParse(value);
  return read.success ? read.data : null;
}

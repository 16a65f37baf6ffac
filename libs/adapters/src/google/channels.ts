import { ServiceError, type JsonObject, type OpaqueRemote, type RegisterInput, type Registered, type ServiceHttp, type ServiceRequest } from '@vane/kit';
import { z } from 'zod';
import { readAs } from './answers.js';

/** What is watched: `longestSeconds` is the longest life that Google documents for a channel of this kind. */
export type Watch<Want extends JsonObject> = {
  api: 'drive/v3' | 'calendar/v3';
  longestSeconds: number;
  docsUrl: string;
  /** The watch call of a resource, below the API; what it needs is asked before. */
  call(http: ServiceHttp, target: { resource: string; want: Want }): Promise<{ path: string; query?: ServiceRequest['query'] }>;
};

const channel = z.object({
  id: z.string(),
  resourceId: z.string().min(1),
  // Milliseconds since the epoch, in the schema a string.
  expiration: z.coerce.number().int().positive().max(8_640_000_000_000_000),
});

/**
 * Notification channels: made with an id of ours, never shown, never changed, ended by id and resource id, and over by
 * themselves when they expire. Renewing is making another; that both live for a while is foreseen.
 */
export function channelRemote<Want extends JsonObject>(watch: Watch<Want>): OpaqueRemote<Want> {
  return {
    register: (http, input) => open(watch, http, input),
    remove: (http, _resource, externalId, aux) => stop(watch, http, externalId, aux?.['resourceId']),
    removeNeedsAux: true,
    // None is asked for a longer one.
    longestLifetimeMs: watch.longestSeconds * 1000,
    canary: { by: 'renewal' },
    callbackRules: { httpsOnly: true, publicOnly: true, docsUrl: watch.docsUrl },
  };
}

async function open<Want extends JsonObject>(watch: Watch<Want>, http: ServiceHttp, input: RegisterInput<Want>): Promise<Registered> {
  const { path, query } = await beforehand(watch.call(http, input));
  const json = {
    id: input.id,
    type: 'web_hook',
    address: input.callbackUrl,
    token: input.secret,
    // Google shortens what is too long, so its answer counts.
    expiration: String(input.now.getTime() + watch.longestSeconds * 1000),
  };
  const answer = await addressed(http.request({ method: 'POST', host: 'api', path: `/${watch.api}${path}`, query, json }));
  const { id, resourceId, expiration } = readAs(channel, answer.json, 'a notification channel');
  if (id !== input.id) throw new ServiceError('garbage', 'Google answered with another notification channel than the one that was asked for; it will be tried again.');
  return { externalId: id, aux: { resourceId }, expiresAt: new Date(expiration).toISOString() };
}

/** What fails before the watch call cannot have made a channel. */
async function beforehand<Value>(call: Promise<Value>): Promise<Value> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new ServiceError(error.kind, error.message, { ...error.details, unsent: true });
  }
}

/** A 401 may be about our address and not about the token: https://developers.google.com/workspace/drive/api/guides/push */
async function addressed<Value>(call: Promise<Value>): Promise<Value> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ServiceError) || !error.message.includes('push.webhookUrlUnauthorized')) throw error;
    throw new ServiceError('invalid', 'Google does not send to the public address of Vane: verify its domain for the Google Cloud project of the OAuth client.', error.details);
  }
}

async function stop(watch: Pick<Watch<JsonObject>, 'api'>, http: ServiceHttp, id: string, resourceId: unknown): Promise<'removed' | 'gone'> {
  if (typeof resourceId !== 'string') {
    throw new ServiceError('invalid', 'Google ends a notification channel only for its resource id, which was never heard of; the channel ends by itself when it expires.');
  }
  const { status } = await http.request({ method: 'POST', host: 'api', path: `/${watch.api}/channels/stop`, json: { id, resourceId }, accept: [404] });
  if (status === 204 || status === 200) return 'removed';
  if (status === 404) return 'gone';
  throw new ServiceError('garbage', `Google answered HTTP ${status} to the end of a notification channel instead of 204; it will be tried again.`, { status });
}

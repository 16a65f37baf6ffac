import { ServiceError, type Json, type RegisterInput, type VisibleRemote, type RemoteSubscription } from '@vane/kit';
import { z } from 'zod';
import { canary } from './canary.js';
import { canonical, type Want } from './config.js';
import { namesake } from './event-classes.js';
import { call, readAs, UNKNOWN_ROUTE, type OcsAnswer } from './ocs.js';
import { preflight } from './preflight.js';
import { SECRET_HEADER } from './webhook.js';

const HOOKS = '/ocs/v2.php/apps/webhook_listeners/api/v1/webhooks';
const hookPath = (externalId: string): string => `${HOOKS}/${encodeURIComponent(externalId)}`;

const listener = z.object({
  id: z.union([z.int(), z.string().min(1)]),
  httpMethod: z.string(),
  uri: z.string(),
  event: z.string(),
  eventFilter: z.json().optional(),
  userIdFilter: z.json().optional(),
  tokenNeeded: z.json().optional(),
});

/**
 * The webhooks of a server, of all its users and apps
 * (https://docs.nextcloud.com/server/latest/developer_manual/_static/openapi.html#/operations/webhook_listeners-webhooks-index).
 */
export const remote: VisibleRemote<Want> = {
  async register(http, input) {
    const { data } = await explained(input.want.event, call(http, { method: 'POST', path: HOOKS, json: bodyOf(input) }));
    return { externalId: String(readAs(listener, data, 'a webhook').id) };
  },

  async list(http) {
    const { data } = await explained(null, call(http, { method: 'GET', path: HOOKS }));
    return readAs(z.array(listener), data, 'a list of webhooks').map(subscriptionOf);
  },

  listsAll: true,

  async get(http, _resource, externalId) {
    const data = await found(call(http, { method: 'GET', path: hookPath(externalId), accept: [404] }));
    return data === undefined ? null : subscriptionOf(readAs(listener, data, 'a webhook'));
  },

  async update(http, externalId, input) {
    // To an id it does not know Nextcloud says 200 and writes nothing.
    if ((await remote.get(http, input.resource, externalId)) === null) throw gone(externalId);
    const { data } = await explained(input.want.event, call(http, { method: 'POST', path: hookPath(externalId), json: bodyOf(input) }));
    readAs(listener, data, 'a webhook');
  },

  async remove(http, _resource, externalId) {
    const deleted = await found(call(http, { method: 'DELETE', path: hookPath(externalId), accept: [404] }));
    if (deleted === undefined || deleted === null) return 'gone';
    return readAs(z.boolean(), deleted, 'whether it was there') ? 'removed' : 'gone';
  },

  canReplaceSecret: true,
  preflight: (http, { resource }) => preflight(() => remote.list(http, resource)),
  canary,
};

/** An update replaces everything, so both kinds of write send everything, the secret included. */
function bodyOf({ want, callbackUrl, secret }: RegisterInput<Want>): object {
  return {
    httpMethod: 'POST',
    uri: callbackUrl,
    event: want.event,
    eventFilter: want.filter ?? [],
    userIdFilter: want.userId ?? '',
    // Nextcloud sends JSON without saying so.
    headers: { 'Content-Type': 'application/json' },
    authMethod: 'header',
    authData: { [SECRET_HEADER]: secret },
    ...(want.tokens === null ? {} : { tokenNeeded: { user_roles: want.tokens } }),
  };
}

function subscriptionOf({ id, uri, event, httpMethod, eventFilter, userIdFilter, tokenNeeded }: z.output<typeof listener>): RemoteSubscription {
  return {
    externalId: String(id),
    callbackUrl: uri,
    active: null,
    fields: { event, filter: canonical(eventFilter), userId: canonical(userIdFilter), tokens: tokensOf(tokenNeeded), httpMethod },
  };
}

/** The roles alone, as we ask for them; a request for named accounts is somebody's change, and is shown whole. */
function tokensOf(tokenNeeded: Json | undefined): Json {
  const needed = canonical(tokenNeeded);
  if (needed === null || typeof needed !== 'object' || Array.isArray(needed)) return needed;
  const roles = canonical(needed['user_roles']);
  if (canonical(needed['user_ids']) !== null) return needed;
  return Array.isArray(roles) ? [...roles].sort() : roles;
}

const gone = (externalId: string): ServiceError => new ServiceError('not_found', `Nextcloud has no webhook ${externalId} any more.`, { status: 404 });

const noApi = (): ServiceError =>
  new ServiceError(
    'not_found',
    'There is no webhook API at this address (HTTP 404): check the host base of the integration, and enable the app "Webhook Listeners" ' +
      '(occ app:enable webhook_listeners), which needs Nextcloud 30 or later.',
    { status: 404 },
  );

/** The data of an answer, or undefined when Nextcloud knows the API and not what was asked for. */
async function found(asked: Promise<OcsAnswer>): Promise<unknown> {
  const { statuscode, data } = await explained(null, asked);
  if (statuscode === UNKNOWN_ROUTE) throw noApi();
  return statuscode === 200 ? data : undefined;
}

/** Refusals in words that say what to do. */
async function explained<Answer>(event: string | null, asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof ServiceError ? (explanationOf(error, event) ?? error) : error;
  }
}

function explanationOf(error: ServiceError, event: string | null): ServiceError | undefined {
  const { kind, message, details } = error;
  if (kind === 'forbidden') {
    const advice = 'make it an administrator, or delegate "Webhook Listeners" to it under Administration settings > Administration privileges';
    return new ServiceError(kind, `${message} Only administrators may manage webhooks: ${advice}.`, details);
  }
  if (kind === 'not_found') return noApi();
  if (kind !== 'invalid' || event === null || !/is not an event class/i.test(message)) return undefined;
  const other = namesake(event);
  const advice = other === undefined ? 'choose one from the list, or check that the app it belongs to is enabled and that this version has it' : `it may be ${other}`;
  return new ServiceError(kind, `Nextcloud knows no event ${event} that webhooks can carry: ${advice}.`, details);
}

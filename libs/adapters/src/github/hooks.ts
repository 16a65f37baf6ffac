import { ServiceError, type RegisterInput, type VisibleRemote, type RemoteSubscription, type ServiceHttp, type ServiceRequest } from '@vane/kit';
import { z } from 'zod';
import { errorMessage, hasNextPage, hook, hookPath, hooksOf, readAs, request } from './answers.js';
import { canonicalEvents, type Want } from './config.js';
import { deliveryLog } from './delivery-log.js';
import { preflight } from './preflight.js';

const PAGE_SIZE = 100;
/** A repository has at most 20 hooks of each event, so this is never reached by a server that counts its pages right. */
const MOST_PAGES = 50;

/** Webhooks of a repository: https://docs.github.com/en/rest/repos/webhooks */
export const remote: VisibleRemote<Want> = {
  async register(http, input) {
    const json = await write(http, { method: 'POST', path: hooksOf(input.resource), json: { name: 'web', ...bodyOf(input) } }, input.resource);
    return { externalId: String(readAs(hook, json, 'a webhook').id) };
  },

  async list(http, resource) {
    const found: RemoteSubscription[] = [];
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const query = { per_page: PAGE_SIZE, page };
      const answer = await orHidden(resource, request(http, { method: 'GET', path: hooksOf(resource), query }));
      const hooks = readAs(z.array(hook), answer.json, 'a list of webhooks');
      found.push(...hooks.map(subscriptionOf));
      if (!hasNextPage(answer, hooks.length, PAGE_SIZE)) return found;
    }
    // A part of the list would let what is missing from it pass for gone.
    throw new ServiceError('garbage', `GitHub lists more than ${MOST_PAGES} pages of webhooks of ${resource}; it will be tried again.`);
  },

  async get(http, resource, externalId) {
    const answer = await request(http, { method: 'GET', path: hookPath(resource, externalId), accept: [404] });
    if (answer.status !== 404) return subscriptionOf(readAs(hook, answer.json, 'a webhook'));
    await refuseIfHidden(http, resource);
    return null;
  },

  async update(http, externalId, input) {
    // `config` is replaced: without the secret GitHub would stop signing, and another one is used from the next delivery on
    // (https://docs.github.com/en/rest/repos/webhooks#update-a-repository-webhook).
    const json = await write(http, { method: 'PATCH', path: hookPath(input.resource, externalId), json: bodyOf(input) });
    readAs(hook, json, 'a webhook');
  },

  async remove(http, resource, externalId) {
    const path = hookPath(resource, externalId);
    const { status } = await request(http, { method: 'DELETE', path, accept: [404] });
    if (status === 204) return 'removed';
    // A proxy in between may answer 200 to everything: taken for GitHub's word it would leave a hook that nobody knows.
    if (status !== 404) throw new ServiceError('garbage', `GitHub answered HTTP ${status} to the removal of a webhook instead of 204; it will be tried again.`, { status });
    if (await remote.get(http, resource, externalId)) throw hidden('forbidden', resource);
    return 'gone';
  },

  canReplaceSecret: true,
  callbackRules: { publicOnly: true, docsUrl: 'https://docs.github.com/en/webhooks/about-webhooks' },
  preflight: (http, { resource, want }) => preflight(() => remote.list(http, resource), resource, want),
  deliveryLog,
  canary: {
    by: 'message',
    // https://docs.github.com/en/rest/repos/webhooks#ping-a-repository-webhook
    async send(http, { resource, externalId }) {
      await request(http, { method: 'POST', path: `${hookPath(resource, externalId)}/pings` });
    },
  },
};

function bodyOf({ want, callbackUrl, secret }: RegisterInput<Want>): object {
  return { active: true, events: want.events, config: { url: callbackUrl, content_type: 'json', insecure_ssl: '0', secret } };
}

/** A write whose 422 tells what is there already from what is wrong. */
async function write(http: ServiceHttp, wanted: Omit<ServiceRequest, 'host'>, created?: string): Promise<unknown> {
  const call = request(http, { ...wanted, accept: [422] });
  const { status, json } = await (created === undefined ? call : orHidden(created, call));
  if (status !== 422) return json;
  const said = errorMessage(json) ?? 'it gave no reason';
  const kind = /already exists/i.test(said) ? 'conflict' : 'invalid';
  throw new ServiceError(kind, `GitHub did not take the webhook (HTTP 422: ${said.slice(0, 500)}).`, { status });
}

function subscriptionOf({ id, active, events, config }: z.output<typeof hook>): RemoteSubscription {
  return {
    externalId: String(id),
    callbackUrl: config.url ?? null,
    active,
    fields: { events: canonicalEvents(events), contentType: config.content_type ?? null, insecureSsl: String(config.insecure_ssl ?? '0') },
  };
}

const hidden = (kind: 'not_found' | 'forbidden', resource: string): ServiceError =>
  new ServiceError(
    kind,
    `GitHub does not let this account manage the webhooks of ${resource} (HTTP 404): check the name, that the connected account administers ` +
      'the repository, and that the connection has the scope admin:repo_hook.',
    { status: 404 },
  );

async function orHidden<Answer>(resource: string, call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ServiceError && error.kind === 'not_found') throw hidden('not_found', resource);
    throw error;
  }
}

/** GitHub says 404 for what it hides as well. A repository that is seen while its hooks are not says that rights were lost. */
async function refuseIfHidden(http: ServiceHttp, resource: string): Promise<void> {
  const read = async (path: string): Promise<number> =>
    (await request(http, { method: 'GET', path, query: { per_page: 1 }, accept: [404] })).status;
  if ((await read(hooksOf(resource))) === 404 && (await read(`/repos/${resource}`)) !== 404) throw hidden('forbidden', resource);
}

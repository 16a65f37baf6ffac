import { defineAdapter, defineTriggerType, singleHeader, type RegisterInput, type VisibleRemote, type RemoteSubscription, type ServiceHttp } from '@vane/kit';
import { ServiceError } from '@vane/kit';
import { z } from 'zod';
import { messageOf } from './message.js';

/**
 * An adapter for a made-up service that calls the URL it is to register with a challenge, and registers it only when the
 * challenge comes back; as Dropbox, Slack and Graph do. OAuth is that of any OpenID provider with its endpoints at the
 * root. Loaded by path through VANE_EXTRA_ADAPTERS.
 */
type Want = { topic: string };

const channel = z.object({ id: z.string(), url: z.string(), topic: z.string() });
const answerTo = 'x-probe-challenge';

const request = async (http: ServiceHttp, method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, json?: unknown, accept?: number[]) =>
  http.request({ method, host: 'api', path, json, accept });

function read(json: unknown): RemoteSubscription {
  const parsed = channel.safeParse(json);
  if (!parsed.success) throw new ServiceError('garbage', 'The probe service answered something that is not a channel.');
  const { id, url, topic } = parsed.data;
  return { externalId: id, callbackUrl: url, active: true, fields: { topic } };
}

const bodyOf = ({ want, callbackUrl, secret }: RegisterInput<Want>) => ({ url: callbackUrl, topic: want.topic, secret });

const remote: VisibleRemote<Want> = {
  async register(http, input) {
    const { json } = await request(http, 'POST', '/channels', bodyOf(input));
    return { externalId: read(json).externalId };
  },
  async list(http) {
    const { json } = await request(http, 'GET', '/channels');
    return z.array(z.unknown()).parse(json).map(read);
  },
  async get(http, _resource, externalId) {
    const { status, json } = await request(http, 'GET', `/channels/${encodeURIComponent(externalId)}`, undefined, [404]);
    return status === 404 ? null : read(json);
  },
  async update(http, externalId, input) {
    await request(http, 'PUT', `/channels/${encodeURIComponent(externalId)}`, bodyOf(input));
  },
  async remove(http, _resource, externalId) {
    const { status } = await request(http, 'DELETE', `/channels/${encodeURIComponent(externalId)}`, undefined, [404]);
    return status === 404 ? 'gone' : 'removed';
  },
};

export const adapter = defineAdapter({
  id: 'handshake-probe',
  label: 'Handshake probe',
  docsUrl: 'https://www.dropbox.com/developers/reference/webhooks',
  icon: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M1 8h14"/></svg>',
  hosts: { base: null, api: null },
  setupSteps: ['Register a client with the redirect URI that Vane shows.'],
  oauth: {
    authorize: { host: 'base', path: '/auth' },
    token: { host: 'base', path: '/token' },
    clientAuth: 'basic',
    baseScopes: ['openid', 'offline_access'],
    grantedScopeSeparator: ' ',
    // OpenID Connect Core section 11: offline_access is only granted with consent.
    authorizeParams: { prompt: 'consent' },
    errorLocation: 'status',
    refresh: 'rotating',
    deadGrantCodes: ['invalid_grant'],
    async identity(http) {
      const { json } = await http.request({ method: 'GET', host: 'base', path: '/me' });
      const { sub } = z.object({ sub: z.string().min(1) }).parse(json);
      return { accountId: sub, accountLabel: sub };
    },
  },
  triggerTypes: {
    channel: defineTriggerType<z.ZodObject<{ topic: z.ZodString }>, Want>({
      label: 'Channel',
      description: 'What is posted to a channel.',
      config: z.strictObject({ topic: z.string().min(1).max(50) }),
      summary: ({ topic }) => topic,
      starterScript: 'export async function main(event) { return event.payload; }\n',
      scopes: [],
      sharing: 'feed',
      plan: ({ topic }) => ({ resource: topic, want: { topic } }),
      remote,
      webhook: {
        verification: { kind: 'shared-secret', header: 'x-probe-secret' },
        methods: ['POST'],
        ackDeadlineMs: 5_000,
        retries: false,
        keepHeaders: [],
        handshake: (received) => {
          const challenge = singleHeader(received, answerTo);
          return challenge === undefined ? undefined : { status: 200, headers: { 'content-type': 'text/plain' }, body: challenge };
        },
        normalise: ({ body }) => [
          { type: 'message', dedupeKey: null, occurredAt: null, payload: messageOf(body) },
        ],
      },
    }),
  },
});

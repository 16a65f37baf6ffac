import { ServiceError, type DeliveryLog, type SentDelivery, type ServiceHttp } from '@vane/kit';
import { z } from 'zod';
import { hookPath, readAs, request } from './answers.js';

const PAGE_SIZE = 100;
const PING = 'ping';

/** https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook */
const deliveries = z.array(
  z.object({
    id: z.union([z.int(), z.string().min(1)]),
    guid: z.string(),
    delivered_at: z.string().refine((text) => !Number.isNaN(Date.parse(text))),
    status: z.string(),
    status_code: z.int(),
    event: z.string(),
  }),
);

/** What GitHub keeps of what it sent, and its way of sending again. */
export const deliveryLog: DeliveryLog = {
  // https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/viewing-webhook-deliveries
  keptMs: 3 * 24 * 60 * 60 * 1000,

  async list(http, { resource, externalId }, since, limit) {
    const path = `${hookPath(resource, externalId)}/deliveries`;
    const found: SentDelivery[] = [];
    for (let cursor: string | undefined; ; ) {
      const answer = await request(http, { method: 'GET', path, query: { per_page: Math.min(PAGE_SIZE, limit), cursor } });
      const page = readAs(deliveries, answer.json, 'a list of deliveries').map(sentOf);
      const wanted = page.filter(({ at }) => Date.parse(at) >= since.getTime());
      found.push(...wanted);
      const next = nextCursor(answer.headers['link']);
      if (wanted.length < page.length || found.length >= limit || next === undefined) return found.slice(0, limit);
      // A page that names itself as the next one would be read for ever.
      if (next === cursor) throw new ServiceError('garbage', 'GitHub names a page of deliveries as the one after itself; it will be tried again.');
      cursor = next;
    }
  },

  redeliver: sendAgain,
};

/** https://docs.github.com/en/rest/repos/webhooks#redeliver-a-delivery-for-a-repository-webhook */
async function sendAgain(http: ServiceHttp, { resource, externalId }: { resource: string; externalId: string }, id: string): Promise<void> {
  await request(http, { method: 'POST', path: `${hookPath(resource, externalId)}/deliveries/${encodeURIComponent(id)}/attempts` });
}

function sentOf({ id, guid, delivered_at: at, status, status_code: code, event }: z.output<typeof deliveries>[number]): SentDelivery {
  const taken = code >= 200 && code < 300;
  return { id: String(id), dedupeKey: guid, isEvent: event !== PING, at: new Date(at).toISOString(), taken, status: code === 0 ? status : `${code} ${status}`.trim() };
}

/** The cursor in the Link header (https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api). */
function nextCursor(link: string | undefined): string | undefined {
  const url = /<([^>]+)>;\s*rel="next"/.exec(link ?? '')?.[1];
  return url !== undefined && URL.canParse(url) ? (new URL(url).searchParams.get('cursor') ?? undefined) : undefined;
}

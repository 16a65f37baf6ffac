import type { Canary, Json } from '@vane/kit';
import type { Want } from './config.js';
import { FILE_CREATED, FILE_WRITTEN } from './event-classes.js';
import { call, readAs, user } from './ocs.js';

const NAME = '.vane-canary-';
const marked = /(?:^|\/)\.vane-canary-([a-z0-9-]{1,40})$/;

/**
 * A hidden file of the connected account, written and deleted at once
 * (https://docs.nextcloud.com/server/latest/developer_manual/client_apis/WebDAV/basic.html). What other hooks hear of it, such
 * as the deletion, has the same name and starts nothing either.
 */
export const canary: Canary<Want> = {
  by: 'event',
  // Without a background worker deliveries wait for cron, every five minutes.
  arrivesWithinMs: 10 * 60 * 1000,
  applies: ({ event, filter, userId }) => [FILE_CREATED, FILE_WRITTEN].includes(event) && filter === null && userId === null,
  async send(http, marker) {
    const { data } = await call(http, { method: 'GET', path: '/ocs/v2.php/cloud/user' });
    const path = `/remote.php/dav/files/${encodeURIComponent(readAs(user, data, 'an account').id)}/${NAME}${marker}`;
    const content = 'Vane writes and deletes this file to see that webhooks arrive.';
    await http.request({ method: 'PUT', host: 'base', path, json: content });
    // Else a file a night would be in the trash bin.
    await http.request({ method: 'DELETE', host: 'base', path, headers: { 'x-nc-skip-trashbin': 'true' }, accept: [404] });
  },
  markerOf: ({ payload }) => markerIn(member(payload, 'event')),
};

function markerIn(event: Json | undefined): string | null {
  for (const name of ['node', 'source', 'target']) {
    const path = member(member(event, name), 'path');
    const marker = typeof path === 'string' ? marked.exec(path)?.[1] : undefined;
    if (marker !== undefined) return marker;
  }
  return null;
}

const member = (value: Json | undefined, name: string): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value[name] : undefined;

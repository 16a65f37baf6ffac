import { singleHeader, type WebhookSpec } from '@vane/kit';

const STATE = 'x-goog-resource-state';
const CHANNEL = 'x-goog-channel-id';
const RESOURCE = 'x-goog-resource-id';

/**
 * What a channel posts: headers and no body, so an event is fetched and never read from a message. The same for Drive
 * (https://developers.google.com/workspace/drive/api/guides/push#notification-message-format) and Calendar.
 */
export const webhook: WebhookSpec = {
  verification: { kind: 'shared-secret', header: 'x-goog-channel-token' },
  methods: ['POST'],
  // Google publishes no deadline.
  ackDeadlineMs: 10_000,
  // After 500, 502, 503 and 504, with exponential backoff; after any other failure it does not send again.
  retries: true,
  keepHeaders: [CHANNEL, RESOURCE, STATE, 'x-goog-message-number', 'x-goog-resource-uri', 'x-goog-changed', 'x-goog-channel-expiration'],
  bindings: [
    { header: CHANNEL, to: 'id' },
    { header: RESOURCE, to: { aux: 'resourceId' } },
  ],
  isPing: (request) => singleHeader(request, STATE) === 'sync',
};

import { labelOf } from './label.js';

/** The `index.ts` of a new service: valid enough to load and be shown, with a sentence wherever the service must speak. */
export function doorOf(name: string): string {
  return `import { readFileSync } from 'node:fs';
import { defineAdapter, defineTriggerType } from '@vane/kit';
import { z } from 'zod';

/** What Vane knows of ${labelOf(name)}. Split it into files beside this one when it grows; this one stays the only door. */
export const adapter = defineAdapter({
  id: '${name}',
  label: '${labelOf(name)}',
  docsUrl: 'https://example.com/',
  icon: readFileSync(new URL('./icon.svg', import.meta.url), 'utf8'),
  // Named hosts, such as { api: 'https://api.example.com' }; null where each installation has its own.
  hosts: {},
  // What a person does at the service, one sentence each.
  setupSteps: [],
  triggerTypes: {
    event: defineTriggerType({
      label: 'Event received',
      description: 'Runs when ${labelOf(name)} reports an event.',
      // Becomes the form in the console, the check in the API and the documentation of both.
      config: z.strictObject({
        resource: z.string().min(1).meta({ title: 'Resource', description: 'What to listen to' }),
      }),
      summary: () => '',
      starterScript: '// Export async function main(event, ctx) here: what a new script starts from.',
      scopes: [],
      sharing: 'feed',
      plan: ({ resource }) => ({ resource, want: {} }),
      webhook: {
        // How the service signs, as data. Take the header, prefix and signed parts from its documentation.
        verification: {
          kind: 'hmac',
          hash: 'sha256',
          header: 'x-signature',
          key: { as: 'utf8' },
          encoding: 'hex',
          format: { form: 'plain' },
          signed: [{ part: 'body' }],
        },
        methods: ['POST'],
        ackDeadlineMs: 10_000,
        retries: false,
        keepHeaders: [],
        normalise: () => {
          throw new Error('Fill in normalise in ${name}/index.ts: turn a delivery into events with type, dedupeKey, occurredAt and payload.');
        },
      },
      // Add \`remote\` when the service has an API to register webhooks with; \`oauth\` above when it has accounts.
      // Where messages only say that something happened, \`pull\` fetches what it was, and \`normalise\` is left out.
    }),
  },
});
`;
}

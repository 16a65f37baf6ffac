import { readFileSync } from 'node:fs';
import { defineAdapter, defineTriggerType, type VerificationScheme } from '@vane/kit';
import { config } from './config.js';
import { normalise } from './normalise.js';
import { secretFor, wantOf, type Want } from './scheme.js';
import { starterScript } from './starter-script.js';

const SAID = {
  'standard-webhooks': 'signed by Standard Webhooks',
  hmac: 'signed in a header',
  'shared-secret': 'with a shared secret in a header',
  none: 'unverified',
} as const;

/** Anything that can post: the sender gets the URL and the secret from a person. */
export const adapter = defineAdapter({
  id: 'generic-webhook',
  label: 'Webhook',
  docsUrl: 'https://www.standardwebhooks.com/',
  icon: readFileSync(new URL('./icon.svg', import.meta.url), 'utf8'),
  hosts: {},
  setupSteps: [
    'Create the trigger and choose how the sender proves itself. Prefer standard-webhooks if the sender offers it.',
    'Copy the URL and the secret that Vane shows into the settings of the sender.',
    'Send a test message from there and look for it among the deliveries of the trigger.',
  ],
  triggerTypes: {
    webhook: defineTriggerType({
      label: 'Webhook received',
      description: 'Runs when something posts to the URL of this trigger.',
      config,
      summary: ({ scheme, header, bodyFormat }) => {
        const where = header === undefined ? SAID[scheme] : SAID[scheme].replace('a header', header);
        return `Posts of ${bodyFormat}, ${where}`;
      },
      starterScript,
      scopes: [],
      sharing: 'trigger',
      plan: (chosen) => ({ resource: '', want: wantOf(chosen) }),
      newSecret: secretFor,
      webhook: {
        verification: (want: Want) => want.verification as unknown as VerificationScheme,
        methods: ['POST'],
        ackDeadlineMs: 15_000,
        retries: true,
        keepHeaders: ({ idHeader, typeHeader }) => [idHeader, typeHeader].filter((name) => name !== null),
        normalise,
      },
    }),
  },
});

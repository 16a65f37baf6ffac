import { readFileSync } from 'node:fs';
import { defineAdapter } from '@vane/kit';
import { errorMessage } from './answers.js';
import { oauth } from './oauth.js';
import { repository } from './repository.js';

/** GitHub and GitHub Enterprise Server: events of a repository. */
export const adapter = defineAdapter({
  id: 'github',
  label: 'GitHub',
  docsUrl: 'https://docs.github.com/en/webhooks',
  icon: readFileSync(new URL('./icon.svg', import.meta.url), 'utf8'),
  hosts: { web: 'https://github.com', api: 'https://api.github.com' },
  setupSteps: [
    'Open {hosts.web}/settings/developers and choose OAuth Apps > "New OAuth app".',
    'Enter {redirectUri} as "Authorization callback URL".',
    'Generate a client secret, and enter client id and secret here.',
    'Connect an account that administers the repositories whose events you want.',
    'GitHub Enterprise Server: set the host web to https://HOST and the host api to https://HOST/api/v3.',
  ],
  oauth,
  errorMessage,
  triggerTypes: { repository },
});

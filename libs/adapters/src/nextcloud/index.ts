import { readFileSync } from 'node:fs';
import { defineAdapter } from '@vane/kit';
import { event } from './event.js';
import { oauth } from './oauth.js';
import { errorMessage } from './ocs.js';

/** A Nextcloud server of one's own: events of files, calendars, tags and apps. */
export const adapter = defineAdapter({
  id: 'nextcloud',
  label: 'Nextcloud',
  docsUrl: 'https://docs.nextcloud.com/server/latest/admin_manual/webhook_listeners/index.html',
  icon: readFileSync(new URL('./icon.svg', import.meta.url), 'utf8'),
  hosts: { base: null },
  setupSteps: [
    'Enter the address of your Nextcloud, up to but without /index.php, as the host base.',
    'In Nextcloud, as an administrator, enable the app "Webhook Listeners": occ app:enable webhook_listeners.',
    'Under {hosts.base}/index.php/settings/admin/security add an OAuth 2.0 client with the redirect URI {redirectUri}.',
    'Enter its client identifier and secret here; Nextcloud shows the secret only once.',
    'Connect an administrator, or an account that "Webhook Listeners" is delegated to under Administration privileges.',
    'For events within seconds run occ background-job:worker "OCA\\WebhookListeners\\BackgroundJobs\\WebhookCall"; otherwise they wait for cron.',
  ],
  oauth,
  errorMessage,
  triggerTypes: { event },
});

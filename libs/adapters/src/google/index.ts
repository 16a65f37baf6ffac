import { readFileSync } from 'node:fs';
import { defineAdapter } from '@vane/kit';
import { errorMessage, isRateLimit } from './answers.js';
import { calendarEvents } from './calendar-events.js';
import { calendarList } from './calendar-list.js';
import { driveChanges } from './drive-changes.js';
import { driveFile } from './drive-file.js';
import { driveFolder } from './drive-folder.js';
import { oauth } from './oauth.js';

/** Google Drive and Google Calendar: changes that notification channels tell of and that are fetched then. */
export const adapter = defineAdapter({
  id: 'google',
  label: 'Google',
  docsUrl: 'https://developers.google.com/workspace/drive/api/guides/push',
  icon: readFileSync(new URL('./icon.svg', import.meta.url), 'utf8'),
  hosts: {
    accounts: 'https://accounts.google.com',
    oauth2: 'https://oauth2.googleapis.com',
    openid: 'https://openidconnect.googleapis.com',
    api: 'https://www.googleapis.com',
  },
  setupSteps: [
    'Open https://console.cloud.google.com/, create or choose a project, and enable the Google Drive API and the Google Calendar API under "APIs & Services".',
    'Set up the consent screen under "Google Auth Platform". While its publishing status is "Testing", every connection has to be authorised anew after 7 days: publish it, or make it "Internal" in a Workspace organisation.',
    'Create a client under "Clients" with the type "Web application", and enter {redirectUri} among its "Authorized redirect URIs".',
    'Enter client id and client secret here.',
    'Vane needs a public https address with a valid certificate: Google sends to no other.',
  ],
  oauth,
  errorMessage,
  isRateLimit,
  triggerTypes: {
    'drive-file': driveFile,
    'drive-changes': driveChanges,
    'drive-folder': driveFolder,
    'calendar-events': calendarEvents,
    'calendar-list': calendarList,
  },
});

import { defineTriggerType } from '@vane/kit';
import { changesPull, changesRemote } from './changes-feed.js';
import { changesConfig, changesPlan } from './drive-config.js';
import { drivesPicker } from './drive-pickers.js';
import { scope } from './oauth.js';
import { driveScript } from './starter-scripts.js';
import { webhook } from './webhook.js';

/** Every change that an account sees, or every change in one shared drive. */
export const driveChanges = defineTriggerType({
  label: 'Drive change',
  description: 'Runs for every file that is created, changed, moved, shared, trashed or removed in a Google Drive.',
  config: changesConfig,
  summary: ({ driveId, restrictToMyDrive }) => (driveId ? `Changes in shared drive ${driveId.slice(0, 60)}` : `Changes in ${restrictToMyDrive ? 'My Drive' : 'Google Drive'}`),
  starterScript: driveScript,
  scopes: [scope('drive.metadata.readonly')],
  sharing: 'feed',
  plan: changesPlan,
  webhook,
  remote: changesRemote,
  pull: changesPull({ withAncestors: false }),
  pickers: { drives: drivesPicker },
});

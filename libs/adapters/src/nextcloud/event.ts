import { defineTriggerType, type Picker } from '@vane/kit';
import { config, resourceOf, wantOf } from './config.js';
import { eventClasses } from './event-classes.js';
import { remote } from './hooks.js';
import { starterScript } from './starter-script.js';
import { webhook } from './webhook.js';

/** Known event classes; others can be typed in. */
const events: Picker = {
  field: 'event',
  async pick(_http, { q = '' }) {
    const wanted = q.trim().toLowerCase();
    const items = Object.entries(eventClasses).map(([value, { label, description }]) => ({
      value,
      label,
      description: description === undefined ? value : `${value}. ${description}`,
    }));
    return { items: items.filter(({ label, description }) => `${label} ${description}`.toLowerCase().includes(wanted)), next: null };
  },
};

/** One event class; triggers that want the same class, filter and user share a webhook. */
export const event = defineTriggerType({
  label: 'Nextcloud event',
  description: 'Runs when something happens on a Nextcloud: a file is written, renamed or deleted, a calendar entry changes, a form is submitted.',
  config,
  summary: ({ event: name, filter, userId }) => {
    const shown = (eventClasses[name]?.label ?? name).slice(0, 120);
    return [shown, userId === undefined ? '' : `by ${userId}`, filter === undefined ? '' : 'that passes a filter'].filter((part) => part !== '').join(' ');
  },
  starterScript,
  scopes: [],
  sharing: 'feed',
  plan: (chosen) => {
    const want = wantOf(chosen);
    return { resource: resourceOf(want), want };
  },
  webhook,
  remote,
  pickers: { events },
});

import { defineTriggerType } from '@vane/kit';
import { ALL, canonicalEvents, config, type Want } from './config.js';
import { remote } from './hooks.js';
import { eventsPicker, repositoriesPicker } from './pickers.js';
import { starterScript } from './starter-script.js';
import { webhook } from './webhook.js';

/** Events of one repository; triggers on the same repository share one webhook that carries the union of their events. */
export const repository = defineTriggerType({
  label: 'Repository event',
  description: 'Runs when something happens in a repository: a push, a pull request, an issue, a release and so on.',
  config,
  summary: ({ repository: name, events }) => `${named(canonicalEvents(events))} in ${name}`,
  starterScript,
  scopes: ['admin:repo_hook'],
  sharing: 'feed',
  // Names of repositories are the same in either case.
  plan: ({ repository: name, events }) => ({ resource: name.toLowerCase(), want: { events: canonicalEvents(events) } }),
  union: (wants: Want[]) => ({ events: canonicalEvents(wants.flatMap(({ events }) => events)) }),
  matches: ({ events }, { type }) => events.includes(ALL) || events.includes(type),
  webhook,
  remote,
  pickers: { repositories: repositoriesPicker, events: eventsPicker },
});

const NAMED = 3;

function named(events: string[]): string {
  if (events.includes(ALL)) return 'Every event';
  const shown = events.slice(0, NAMED).map((name) => name.slice(0, 30)).join(', ');
  return events.length > NAMED ? `${shown} and ${events.length - NAMED} more` : shown;
}

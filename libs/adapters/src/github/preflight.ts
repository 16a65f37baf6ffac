import { ServiceError, type PreflightFinding, type RemoteSubscription } from '@vane/kit';
import { ALL, canonicalEvents, type Want } from './config.js';

/** https://docs.github.com/en/webhooks/about-webhooks */
const HOOKS_PER_EVENT = 20;

const admin = { id: 'admin', label: 'Rights on the repository' } as const;
const quota = { id: 'hook_quota', label: `Room for another webhook (${HOOKS_PER_EVENT} for each event)` } as const;

/** What stands in the way of a webhook of `repository`, by what its list of webhooks says or that it cannot be read. */
export async function preflight(list: () => Promise<RemoteSubscription[]>, repository: string, want: Want): Promise<PreflightFinding[]> {
  try {
    const hooks = await list();
    return [{ ...admin, state: 'ok', message: `The connected account manages the webhooks of ${repository}.`, fix: null }, quotaFinding(hooks, repository, want)];
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const unread = { ...quota, state: 'unknown', message: 'The webhooks of the repository cannot be counted.', fix: null } as const;
    const refused = error.kind === 'forbidden' || error.kind === 'not_found';
    const fix = refused ? `Connect an account that administers ${repository}, or have its role there changed to admin.` : null;
    return [{ ...admin, state: refused ? 'failed' : 'unknown', message: error.message, fix }, unread];
  }
}

function quotaFinding(hooks: RemoteSubscription[], repository: string, want: Want): PreflightFinding {
  const held = hooks.map(({ fields }) => (Array.isArray(fields['events']) ? (fields['events'] as string[]) : []));
  const counts = canonicalEvents(want.events).map((event) => ({ event, used: held.filter((events) => events.includes(event)).length }));
  const full = counts.filter(({ used }) => used >= HOOKS_PER_EVENT).map(({ event }) => (event === ALL ? 'all events' : event));
  const most = Math.max(0, ...counts.map(({ used }) => used));
  if (full.length === 0) return { ...quota, state: 'ok', message: `${repository} has at most ${most} webhooks for any of the events.`, fix: null };
  const message = `${repository} has ${HOOKS_PER_EVENT} webhooks for ${full.join(', ')}, and GitHub takes no more.`;
  return { ...quota, state: 'failed', message, fix: 'Delete webhooks that nobody needs under Settings > Webhooks of the repository, or leave these events out.' };
}

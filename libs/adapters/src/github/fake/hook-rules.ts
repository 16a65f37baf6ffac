import { failure, invalid } from './api.js';
import type { Hook, HookConfig, Repo, State, Token } from './state.js';
import type { Answer } from './wire.js';

/** Of one event, a repository carries at most this many hooks. */
const hooksPerEvent = 20;

/**
 * The events a repository webhook can subscribe to.
 * https://docs.github.com/en/webhooks/webhook-events-and-payloads
 */
const knownEvents = new Set(
  `* branch_protection_configuration branch_protection_rule check_run check_suite code_scanning_alert commit_comment create
custom_property_values delete dependabot_alert deploy_key deployment deployment_protection_rule deployment_review deployment_status
discussion discussion_comment fork gollum issue_comment issue_dependencies issues label member merge_group meta milestone package
page_build ping project project_card project_column public pull_request pull_request_review pull_request_review_comment
pull_request_review_thread push registry_package release repository repository_advisory repository_import repository_ruleset
repository_vulnerability_alert secret_scanning_alert secret_scanning_alert_location secret_scanning_scan security_and_analysis star
status sub_issues team_add watch workflow_dispatch workflow_job workflow_run`.split(/\s+/),
);

const rights = {
  read: ['repo', 'admin:repo_hook', 'write:repo_hook', 'read:repo_hook'],
  write: ['repo', 'admin:repo_hook', 'write:repo_hook'],
  admin: ['repo', 'admin:repo_hook'],
};

/** Whether the token's scopes let it do this to hooks; a refusal looks like a missing repository. */
export function mayTouchHooks(token: Token, need: keyof typeof rights): boolean {
  return token.kind === 'app-user' || rights[need].some((scope) => token.scopes.includes(scope));
}

/** Scopes for the X-Accepted-OAuth-Scopes header. */
export const acceptedScopes = (need: keyof typeof rights): string => rights[need].join(', ');

/** The 422 for a hook URL that cannot be used, or null. */
function urlProblem(state: State, url: unknown): Answer | null {
  if (typeof url !== 'string' || url === '') return invalid('Hook', { field: 'url', message: "url can't be blank" });
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) return invalid('Hook', { field: 'url', message: 'url is not a valid URL' });
  const local = parsed.hostname === 'localhost' || parsed.hostname === '[::1]' || parsed.hostname.startsWith('127.');
  if (local && state.settings.refuseLocalhost) {
    return invalid('Hook', { message: `url is not supported because it isn't reachable over the public Internet (${parsed.hostname})` });
  }
  return null;
}

/** A whole config from what was sent, or the 422. What is not sent takes GitHub's default. */
export function readConfig(state: State, sent: unknown): HookConfig | Answer {
  const raw = (typeof sent === 'object' && sent !== null ? sent : {}) as Record<string, unknown>;
  const problem = urlProblem(state, raw['url']);
  if (problem) return problem;
  const contentType = raw['content_type'] ?? 'form';
  if (contentType !== 'json' && contentType !== 'form') return invalid('Hook', { field: 'content_type', message: 'content_type must be json or form' });
  const config: HookConfig = {
    url: String(raw['url']),
    content_type: contentType,
    insecure_ssl: String(raw['insecure_ssl'] ?? '0') === '1' ? '1' : '0',
  };
  if (typeof raw['secret'] === 'string' && raw['secret'] !== '') config.secret = raw['secret'];
  return config;
}

/** A list of event names, or the 422. */
export function readEvents(sent: unknown): string[] | Answer {
  if (!Array.isArray(sent) || sent.some((name) => typeof name !== 'string')) {
    return failure(422, 'Invalid request.\n\nFor \'properties/events\', the value is not an array of strings.');
  }
  const events = [...new Set(sent as string[])];
  const unknown = events.filter((name) => !knownEvents.has(name));
  if (unknown.length > 0) return invalid('Hook', { field: 'events', message: `These events cannot be subscribed to: ${unknown.join(', ')}` });
  if (events.length === 0) return invalid('Hook', { field: 'events', message: 'events cannot be empty' });
  return events;
}

const overlap = (left: string[], right: string[]) => left.includes('*') || right.includes('*') || left.some((name) => right.includes(name));

/** The rules about a hook beside the others of its repository: a unique config, and a maximum for each event. */
export function neighbourProblem(repo: Repo, hook: Pick<Hook, 'events' | 'config'> & { id: number | null }): Answer | null {
  const others = repo.hooks.filter((other) => other.id !== hook.id);
  if (others.some((other) => other.config.url === hook.config.url && overlap(other.events, hook.events))) {
    return invalid('Hook', { message: 'Hook already exists on this repository' });
  }
  const full = hook.events.find((name) => others.filter((other) => other.events.includes(name)).length >= hooksPerEvent);
  return full === undefined ? null : invalid('Hook', { message: `The "${full}" event cannot have more than ${hooksPerEvent} hooks` });
}

import type { HealthLayer, HealthState, Reason } from '@vane/contracts';
import type { ConnectionFact, DeliveryFact, Facts, PullFact, RunFact, SubscriptionFact, WaitingFact } from './health-facts.js';

/** One layer that is not as it should be. */
export type Finding = { layer: HealthLayer; state: Exclude<HealthState, 'healthy'>; reason: Reason; since: Date | null };

/** What of a trigger's own row tells how it is. */
export type TriggerFact = { id: string; feedId: string; connectionId: string | null; status: string; statusCode: string | null; statusMessage: string | null; silentSince: Date | null; updatedAt: Date };

/** A queued run that nobody has begun for so long is stuck. */
export const OVERDUE_MS = 5 * 60_000;
/** So many runs that end badly in a row mean that none works; fewer may be the events' own fault. */
const RUNS_IN_A_ROW = 3;
const REFUSED_IN_A_ROW = 3;
/** A pull that fails so often is not a passing trouble. */
const PULLS_FAILING = 5;

const RANK: Record<HealthState, number> = { healthy: 0, unknown: 1, degraded: 2, failing: 3 };

/** The worst finding, of equally bad ones that of the first layer. */
export function worst(findings: readonly Finding[]): Finding | null {
  return findings.reduce<Finding | null>((bad, one) => (bad === null || RANK[one.state] > RANK[bad.state] ? one : bad), null);
}

/** All that is not as it should be with one trigger, layer by layer. */
export function findingsOf(trigger: TriggerFact, facts: Facts): Finding[] {
  const mine = <T extends { feed_id: string }>(rows: T[]) => rows.filter(({ feed_id: feed }) => feed === trigger.feedId);
  const connection = facts.connections.find(({ id }) => id === trigger.connectionId);
  const runs = facts.runs.filter((run) => run.trigger_id === trigger.id);
  return [
    trigger.connectionId === null ? null : judgeConnection(connection),
    judgeSubscription(serving(mine(facts.subscriptions))),
    judgePull(mine(facts.pulls)[0]),
    judgeIngress(mine(facts.deliveries)),
    trigger.silentSince && judgeSilence(trigger.silentSince),
    judgeTrigger(trigger),
    judgeExpressions(runs, trigger.updatedAt),
    judgeRuns(runs, facts),
    ...facts.waiting.filter((one) => one.trigger_id === trigger.id).map(judgeWaiting),
  ].filter((finding) => finding !== null);
}

/** Of a feed's subscriptions, newest first, the one that its events come through: a replacement only once it has taken over. */
export function serving<Row extends Pick<SubscriptionFact, 'id' | 'status' | 'replaces_id'>>(rows: readonly Row[]): Row | undefined {
  const live = rows.filter(({ status }) => status !== 'removing' && status !== 'removed');
  return live.find(({ status, replaces_id: replaced }) => status !== 'pending' || !live.some(({ id }) => id === replaced)) ?? live[0] ?? rows[0];
}

export function judgeConnection(row: ConnectionFact | undefined): Finding | null {
  const layer = 'connection';
  if (!row) return { layer, state: 'failing', reason: { code: 'connection_gone', message: 'The connection does not exist any more.' }, since: null };
  const since = row.status_since;
  if (row.status === 'disconnecting') return { layer, state: 'failing', reason: { code: 'disconnecting', message: row.reason ?? 'The connection is being disconnected.' }, since };
  const reason = { code: row.reason_code ?? 'auth_required', message: row.reason ?? 'The connection must be authorised again.' };
  if (row.status !== 'active') return { layer, state: 'failing', reason, since };
  return row.reason_code === null ? null : { layer, state: 'degraded', reason, since };
}

const NOT_SERVING: Record<string, Reason> = {
  missing: { code: 'missing_at_service', message: 'The service does not have our object any more.' },
  disabled: { code: 'disabled_at_service', message: 'Our object at the service is switched off.' },
  auth_required: { code: 'unauthorised', message: 'The service does not accept the connected account.' },
  removing: { code: 'removed', message: 'The subscription is being removed.' },
};
const DRIFTED: Record<string, string> = {
  missing: 'Our object was deleted at the service.',
  disabled: 'Our object was switched off at the service.',
  changed: 'Our object was changed at the service.',
  url_changed: 'Our object at the service posts to another address.',
};

export function judgeSubscription(row: SubscriptionFact | undefined): Finding | null {
  const layer = 'subscription';
  if (!row) return { layer, state: 'failing', reason: { code: 'none', message: 'There is no subscription for this trigger.' }, since: null };
  const { status, status_since: since, reason_code: code, reason_message: message } = row;
  const why = code === null ? null : { code, message: message ?? '' };
  if (status in NOT_SERVING) return { layer, state: 'failing', reason: why ?? NOT_SERVING[status]!, since };
  if (status === 'pending') return { layer, state: why ? 'degraded' : 'unknown', reason: why ?? { code: 'pending', message: 'The service has not confirmed the registration yet.' }, since };
  if (status === 'degraded') {
    const reason = why ?? { code: status, message: 'The service does not do what is asked of it.' };
    return { layer, state: row.external_id === null ? 'failing' : 'degraded', reason, since };
  }
  if (row.drift) return { layer, state: 'degraded', reason: { code: `${row.drift.kind}_at_service`, message: DRIFTED[row.drift.kind] ?? 'Our object at the service is not as it should be.' }, since: new Date(row.drift.seenAt) };
  return why && { layer, state: 'degraded', reason: why, since };
}

export function judgePull(row: PullFact | undefined): Finding | null {
  if (!row || row.failures === 0) return null;
  const reason = { code: row.reason_code ?? 'unavailable', message: row.reason_message ?? 'The service does not let us fetch what happened.' };
  return { layer: 'subscription', state: row.failures >= PULLS_FAILING ? 'failing' : 'degraded', reason, since: row.pulled_at };
}

/** Refused, or accepted and not understood. */
export const isBad = ({ status }: DeliveryFact) => status === 'refused' || status === 'unprocessable';

/** Anybody who has the URL can post to it, so one that was refused among good ones says nothing. */
export function judgeIngress(newestFirst: DeliveryFact[]): Finding | null {
  const rows = newestFirst.filter(({ status }) => status !== 'handshake');
  const bad = rows.filter(isBad);
  if (bad.length === 0) return null;
  const good = rows.findIndex((row) => !isBad(row));
  const inARow = good === -1 ? rows.length : good;
  if (good !== -1 && inARow < REFUSED_IN_A_ROW && bad.length * 2 < rows.length) return null;
  const [newest] = bad as [DeliveryFact];
  const done = newest.status === 'refused' ? 'refused' : 'not understood';
  const message = `Of the last ${rows.length} deliveries ${bad.length} ${bad.length === 1 ? 'was' : 'were'} ${done}${newest.reason ? `, the newest for: ${newest.reason}` : ''}.`;
  const since = (inARow > 0 ? rows[inARow - 1] : newest)!.received_at;
  return { layer: 'ingress', state: good === -1 ? 'failing' : 'degraded', reason: { code: newest.reason && CODE.test(newest.reason) ? newest.reason : newest.status, message }, since };
}

const CODE = /^[a-z][a-z0-9_]*$/;

function judgeSilence(since: Date): Finding {
  return { layer: 'ingress', state: 'degraded', reason: { code: 'silent', message: `No event has come since ${since.toISOString()}, which is longer than is normal.` }, since };
}

/** A paused trigger is as its owner wants it. */
function judgeTrigger({ status, statusCode, statusMessage, updatedAt }: TriggerFact): Finding | null {
  if (status !== 'disabled') return null;
  return { layer: 'delivery', state: 'failing', reason: { code: statusCode ?? 'disabled', message: statusMessage ?? 'The trigger is disabled.' }, since: updatedAt };
}

const EXPRESSIONS = ['filter_failed', 'mapping_failed'];

/** What a filter or a mapping could not be evaluated for since the trigger was last changed starts nothing, and is kept. */
export function judgeExpressions(newestFirst: RunFact[], changedAt: Date): Finding | null {
  const judged = newestFirst.filter(({ created_at: at }) => at >= changedAt);
  const bad = judged.filter(({ reason: code }) => EXPRESSIONS.includes(code ?? ''));
  const [newest] = bad;
  if (!newest) return null;
  const good = judged.findIndex((run) => !bad.includes(run));
  const inARow = good === -1 ? judged.length : good;
  const message = `Of the last ${judged.length} events ${bad.length} started nothing: ${newest.reason_message ?? 'an expression could not be evaluated.'}`;
  return { layer: 'delivery', state: inARow >= RUNS_IN_A_ROW ? 'failing' : 'degraded', reason: { code: newest.reason!, message }, since: bad.at(-1)!.created_at };
}

/** Ended after it was tried; what was skipped or called off was not. */
export const hasEnded = ({ status }: RunFact) => ['succeeded', 'failed', 'dead', 'interrupted'].includes(status);

/** Only runs that have ended count. */
export function judgeRuns(newestFirst: RunFact[], { attempts }: Pick<Facts, 'attempts'>): Finding | null {
  const ended = newestFirst.filter(hasEnded);
  const good = ended.findIndex(({ status }) => status === 'succeeded');
  const bad = good === -1 ? ended : ended.slice(0, good);
  if (bad.length === 0 || (good !== -1 && bad.length < RUNS_IN_A_ROW)) return null;
  const attempt = attempts.find(({ run_id: run }) => run === bad[0]!.id);
  const count = bad.length === 1 ? 'The last run' : `The last ${bad.length} runs`;
  const message = `${count} did not succeed${attempt?.message ? `: ${attempt.message}` : '.'}`;
  const since = bad.at(-1)!.ended_at;
  return { layer: 'delivery', state: bad.length >= RUNS_IN_A_ROW ? 'failing' : 'degraded', reason: { code: 'runs_failing', message }, since };
}

function judgeWaiting({ status, since }: WaitingFact): Finding {
  const reason = status === 'held' ? { code: 'held', message: `Runs are held since ${since.toISOString()}.` } : { code: 'queue_stuck', message: `A run waits to be started since ${since.toISOString()}.` };
  return { layer: 'delivery', state: status === 'held' ? 'degraded' : 'failing', reason, since };
}

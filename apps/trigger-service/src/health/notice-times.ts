/** What people can be told of a subscription that does not work; each word comes before those that are worse. */
const BAD = ['degraded', 'renewal_failing', 'disabled', 'missing'] as const;
export type Trouble = (typeof BAD)[number];

/** A service that does not answer for some minutes is no news; what has come back is, once it stays. */
const DEGRADED_AFTER_MS = 10 * 60_000;
const RECOVERED_AFTER_MS = 2 * 60_000;

/** A subscription, as far as it decides what people are told of it. */
export type Told = { status: string; status_since: Date; reason_code: string | null; told_status: string | null };

export type NextNotice = { at: Date; say: Trouble | 'recovered' };

/**
 * What people are to be told of a subscription and when; null: nothing. A trouble is told once, and again only when it has
 * become worse: what comes and goes is told when it has come, and not again before it has been told as over. That the
 * connection needs a person is told by the connection, and of what is leaving nothing is told: what people know of it goes
 * over to what takes its place.
 *
 * @param since when it got into its state: with another reason, too
 */
export function nextNotice({ status, status_since: statusSince, reason_code: code, told_status: told }: Told, since: Date): NextNotice | null {
  if (status === 'active' || status === 'renewing') return told === null ? null : { at: new Date(since.getTime() + RECOVERED_AFTER_MS), say: 'recovered' };
  const trouble = code === 'renewal_failing' ? code : BAD.find((word) => word === status);
  if (trouble === undefined || rank(trouble) <= rank(told)) return null;
  return { at: trouble === 'degraded' ? new Date(statusSince.getTime() + DEGRADED_AFTER_MS) : since, say: trouble };
}

const rank = (word: string | null): number => BAD.findIndex((one) => one === word);

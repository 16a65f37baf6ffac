/** A rhythm is learnt from so many of the newest events, once there are enough of them. */
export const LEARNT_FROM = 20;
const ENOUGH = 8;
/** So many times the longest pause seen is longer than is normal. */
const TIMES = 3;
const SHORTEST_MS = 3_600_000;

/** Longest silence that is normal, in milliseconds, and who says so; null: nobody can say. */
export type Limit = { ms: number; by: 'owner' | 'rhythm' } | null;

/** @param heard when events came, the newest first */
export function limitOf(expectEverySeconds: number | null, heard: readonly Date[]): Limit {
  if (expectEverySeconds !== null) return { ms: expectEverySeconds * 1_000, by: 'owner' };
  if (heard.length < ENOUGH) return null;
  const gaps = heard.slice(1).map((at, index) => heard[index]!.getTime() - at.getTime());
  return { ms: Math.max(SHORTEST_MS, TIMES * Math.max(...gaps)), by: 'rhythm' };
}

/** How far the service has come with one of the ways in which it was asked. */
export type Look = { by: 'pull' | 'log' | 'check'; answered: boolean; why: string | null };

/** Only what was fetched, or the service's own log, shows that nothing happened; that our object is there does not. */
export const proves = (looks: readonly Look[]): boolean => looks.some(({ by, answered }) => answered && by !== 'check');

const ANSWERED: Record<Look['by'], string> = {
  pull: 'was asked for everything new, and has nothing',
  log: 'was asked for its log of what it sent, which shows nothing that did not arrive',
  check: 'was asked for our object, which is there',
};
const UNANSWERED: Record<Look['by'], string> = {
  pull: 'was asked for everything new, and did not answer',
  log: 'was asked for its log of what it sent, and did not answer',
  check: 'was asked for our object, and did not answer',
};

/** What was asked of the service and what it said, in sentences for people. */
export function saidOf(label: string, looks: readonly Look[]): string {
  if (looks.length === 0) return `${label} cannot be asked whether something happened.`;
  const said = looks.map(({ by, answered, why }) => `${label} ${(answered ? ANSWERED : UNANSWERED)[by]}${!answered && why ? `: ${why}` : '.'}`);
  return [...said, proves(looks) ? `So ${label} confirms that there was nothing.` : `That does not show whether something happened.`].join(' ');
}

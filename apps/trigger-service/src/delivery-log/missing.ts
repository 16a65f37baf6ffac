import { dedupeKeyOf, type SentDelivery } from '@vane/kit';

/** One event in a service's log, with every time that it was sent, the newest first. */
export type SentEvent = { dedupeKey: string; times: SentDelivery[] };

/** Times that an event is sent, the service's own first one included, before it is given up. */
export const MOST_TIMES = 3;
/** What is younger may still be on its way here. */
const IN_FLIGHT_MS = 60_000;
/** What the service says we took may wait in the stream for longer, and is not lost for that. */
const TAKEN_MS = 10 * 60_000;

/** `ask`: to be sent again, the longest missing first; `wait`: maybe on its way; `given_up`: sent often enough. */
export type Verdict = 'ask' | 'wait' | 'given_up';

/** The events of a log, each once, by the identity that they have here. */
export function eventsOf(log: readonly SentDelivery[]): SentEvent[] {
  const events = new Map<string, SentEvent>();
  for (const delivery of log) {
    if (!delivery.isEvent) continue;
    const dedupeKey = dedupeKeyOf(delivery, delivery.id);
    const event = events.get(dedupeKey);
    if (event) event.times.push(delivery);
    else events.set(dedupeKey, { dedupeKey, times: [delivery] });
  }
  return [...events.values()];
}

export const firstAt = ({ times }: SentEvent): number => Math.min(...times.map(({ at }) => Date.parse(at)));

/** What to do about an event that we do not have. */
export function verdictOn({ times }: SentEvent, now: Date): Verdict {
  const [last] = [...times].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  if (Date.parse(last!.at) > now.getTime() - (last!.taken ? TAKEN_MS : IN_FLIGHT_MS)) return 'wait';
  return times.length >= MOST_TIMES ? 'given_up' : 'ask';
}

import { useEffect, useState } from 'react';
import { now } from '../clock.js';

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000], ['second', 1_000]];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

/** How far a moment is from `at`, in the largest unit that fits: "3 minutes ago", "in 2 days". */
export function distance(iso: string, at: number): string {
  const ms = Date.parse(iso) - at;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(ms) >= length) ?? UNITS[3]!;
  return relative.format(Math.round(ms / size), unit);
}

/** A moment as people say it, with the exact one in its title; it goes on with the time. */
export function When({ at }: { at: string | null | undefined }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 10_000);
    return () => clearInterval(timer);
  }, []);
  if (!at) return <span className="muted">–</span>;
  return <time dateTime={at} title={absolute.format(new Date(at))}>{distance(at, now())}</time>;
}

/** A moment to the second. */
export const Exact = ({ at }: { at: string }) => <time dateTime={at}>{absolute.format(new Date(at))}</time>;

/** How long something took, in words; empty while it lasts. */
export function lasted(from: string | null, to: string | null): string {
  if (!from || !to) return '';
  const ms = Date.parse(to) - Date.parse(from);
  return ms < 1_000 ? `${ms} ms` : ms < 120_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

import { t } from '../messages.js';

export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'plain';

const TONES: Record<Exclude<Tone, 'plain'>, string[]> = {
  ok: ['succeeded', 'active', 'enabled', 'healthy', 'accepted', 'ok', 'heard', 'sent', 'present', 'done', 'proven', 'handshake', 'ping'],
  warn: ['degraded', 'held', 'interrupted', 'paused', 'renewing', 'pending', 'auth_required', 'warning', 'unproven', 'refused', 'failing_soon', 'disconnecting', 'waiting'],
  bad: ['failed', 'dead', 'failing', 'missing', 'broken', 'unprocessable', 'critical', 'disabled'],
  info: ['running', 'queued', 'info', 'pulling', 'replaying'],
};

/** The colour of a state. */
export function toneOf(state: string): Tone {
  const [tone] = Object.entries(TONES).find(([, states]) => states.includes(state)) ?? [];
  return (tone as Tone | undefined) ?? 'plain';
}

/** A state as people read it. */
export const wordOf = (state: string): string => (t.states as Record<string, string>)[state] ?? state.replaceAll('_', ' ');

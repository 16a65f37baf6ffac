import { VaneError } from '@vane/contracts';
import type { Event } from '@vane/db';
import { Expression, ExpressionError, mapped, passes, readable, readFilter, type Subject } from './language.js';

/** What of a trigger decides whether an event starts it, and with what. */
export type Expressions = { id: string; name: string; filter: string | null; mapping: string | null };

/** What an event is to the expressions of triggers. `payloadText` is its payload as JSON. */
export type Judged = { id: string; type: string; service: string; occurredAt: string | null; receivedAt: string; payload: unknown; payloadText: string };

/** `input` is JSON text, null without a mapping; `code` and `message` say why it starts nothing. */
export type Verdict = { starts: true; input: string | null } | { starts: false; code: 'filtered' | 'filter_failed' | 'mapping_failed'; message: string };

const KEPT = 2_000;
const QUOTED = 200;

/** Judges events by the filters and mappings of triggers. Each expression is read once and kept by its text, the last used the longest. */
export class TriggerExpressions {
  private readonly filters = new Map<string, Expression>();
  private readonly mappings = new Map<string, Expression>();

  /** Never throws: what cannot be evaluated is a verdict. */
  judge(trigger: Expressions, event: Judged): Verdict {
    if (trigger.filter === null && trigger.mapping === null) return { starts: true, input: null };
    const subject = subjectOf(trigger, event);
    if (trigger.filter !== null) {
      const { filter } = trigger;
      const passed = attempt(() => passes(kept(this.filters, filter, readFilter), subject));
      if ('failed' in passed) return { starts: false, code: 'filter_failed', message: `The filter could not be evaluated: ${passed.failed}` };
      if (!passed.value) return { starts: false, code: 'filtered', message: `The filter says no: ${quoted(filter)}` };
    }
    return this.input(trigger, event, subject);
  }

  /** The mapping alone, for a run that somebody asked for. Never throws. */
  input(trigger: Expressions, event: Judged, subject = subjectOf(trigger, event)): Verdict {
    const { mapping } = trigger;
    if (mapping === null) return { starts: true, input: null };
    const made = attempt(() => mapped(kept(this.mappings, mapping, (text) => new Expression(text)), subject));
    return 'failed' in made ? { starts: false, code: 'mapping_failed', message: `The mapping could not be evaluated: ${made.failed}` } : { starts: true, input: made.value };
  }
}

/** What both expressions of a trigger have to be before they are saved. @throws VaneError `invalid_config` with the place of what is wrong */
export function requireReadable({ filter, mapping }: { filter?: string | null | undefined; mapping?: string | null | undefined }): void {
  const problems = [
    ...(filter == null ? [] : problemIn('filter', () => readFilter(filter))),
    ...(mapping == null ? [] : problemIn('mapping', () => new Expression(mapping))),
  ];
  if (problems[0]) throw new VaneError('invalid_config', `${problems[0].path}: ${problems[0].message}`, { fields: problems });
}

function problemIn(path: string, read: () => unknown): { path: string; message: string }[] {
  const made = attempt(read);
  return 'failed' in made ? [{ path, message: made.failed }] : [];
}

export function subjectOf({ id, name }: Pick<Expressions, 'id' | 'name'>, { payload, payloadText, ...event }: Judged): Subject {
  const { id: eventId, type, service, occurredAt, receivedAt } = event;
  return { event: { id: eventId, type, service, occurredAt, receivedAt }, trigger: { id, name }, payload: readable(payload, payloadText) };
}

/** An event as it was stored. */
export function judgedOf({ id, type, service, occurredAt, receivedAt, payload }: Event): Judged {
  return { id, type, service, occurredAt: occurredAt?.toISOString() ?? null, receivedAt: receivedAt.toISOString(), payload, payloadText: JSON.stringify(payload) };
}

function kept(cache: Map<string, Expression>, text: string, read: (text: string) => Expression): Expression {
  const found = cache.get(text) ?? read(text);
  cache.delete(text);
  cache.set(text, found);
  if (cache.size > KEPT) cache.delete(cache.keys().next().value!);
  return found;
}

function attempt<T>(work: () => T): { value: T } | { failed: string } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof ExpressionError) return { failed: error.message };
    throw error;
  }
}

const quoted = (text: string) => (text.length > QUOTED ? `${text.slice(0, QUOTED)}...` : text);

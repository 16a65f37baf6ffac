import type { Redaction } from './adapter.js';
import type { Json } from './json.js';
import { entriesOf, jsonTextOf, parsePointer, trimmed, type Span } from './json-text.js';

/** `cut` holds what was taken out by the pointer that named it; a pointer that names nothing has no entry. */
export type Redacted = { ok: true; body: Uint8Array; cut: Record<string, Json> } | { ok: false };

/**
 * Cuts members out of a JSON body before anything is stored. What stays is the sender's own text: numbers beyond double
 * precision and repeated members survive, and every repetition of a named member is cut. An array element becomes null,
 * so that its neighbours keep their places; the whole document (pointer '') becomes null too.
 *
 * Without redactions the body is handed back unread; with them, `ok: false` says that it is not JSON and that nothing in
 * it can be trusted to be harmless.
 *
 * @throws TypeError when a pointer is no JSON Pointer (https://www.rfc-editor.org/rfc/rfc6901).
 */
export function redact(body: Uint8Array, redactions: readonly Redaction[]): Redacted {
  if (redactions.length === 0) return { ok: true, body, cut: {} };
  const plan = planOf(redactions);
  const text = jsonTextOf(body);
  if (text === undefined) return { ok: false };
  const cut = new Map<string, Json>();
  const document = trimmed(text);
  const rewritten = plan.pointer === undefined ? rewrite(text, document, plan, cut) : take(text, document, plan, cut);
  if (rewritten === undefined) return { ok: true, body, cut: {} };
  return { ok: true, body: Buffer.from(rewritten, 'utf8'), cut: Object.fromEntries(cut) };
}

/** The pointers as a tree; a step with a pointer is cut. */
type Step = { pointer?: string; steps: Map<string, Step> };

function planOf(redactions: readonly Redaction[]): Step {
  const root: Step = { steps: new Map() };
  for (const { pointer } of redactions) {
    let at = root;
    for (const key of parsePointer(pointer)) {
      const next: Step = at.steps.get(key) ?? { steps: new Map() };
      at.steps.set(key, next);
      at = next;
    }
    at.pointer = pointer;
  }
  return root;
}

/** The text of a value without what the plan names inside it; undefined when it names nothing there. */
function rewrite(text: string, value: Span, plan: Step, cut: Map<string, Json>): string | undefined {
  const entries = plan.steps.size > 0 ? entriesOf(text, value) : undefined;
  if (!entries) return undefined;
  const isObject = text[value.start] === '{';
  let changed = false;
  const kept: string[] = [];
  for (const entry of entries) {
    const step = plan.steps.get(entry.key);
    if (step?.pointer !== undefined) {
      changed = true;
      const replacement = take(text, entry.value, step, cut);
      if (!isObject) kept.push(replacement);
      continue;
    }
    const inner = step && rewrite(text, entry.value, step, cut);
    if (inner !== undefined) changed = true;
    kept.push(inner === undefined ? text.slice(entry.whole.start, entry.whole.end) : text.slice(entry.whole.start, entry.value.start) + inner);
  }
  if (!changed) return undefined;
  return isObject ? `{${kept.join(',')}}` : `[${kept.join(',')}]`;
}

/** Records a value and what deeper pointers name inside it; answers with what stands in its place in an array. */
function take(text: string, value: Span, step: Step, cut: Map<string, Json>): 'null' {
  const record = (found: Json, at: Step): void => {
    if (at.pointer !== undefined) cut.set(at.pointer, found);
    if (found === null || typeof found !== 'object') return;
    for (const [key, next] of at.steps) {
      if (Object.hasOwn(found, key)) record((found as Record<string, Json>)[key] as Json, next);
    }
  };
  record(JSON.parse(text.slice(value.start, value.end)) as Json, step);
  return 'null';
}

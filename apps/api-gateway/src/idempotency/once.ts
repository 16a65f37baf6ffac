import { createHash } from 'node:crypto';
import { VaneError } from '@vane/contracts';
import type { Logger } from '@vane/runtime';
import type { Answer } from '../http/problem.js';
import type { RestOperation } from '../http/input.js';
import type { IdempotencyStore, KeyedCall } from './store.js';

/** Beyond an operation's deadline, for the gateway's own work before and after it: twice it reads for the record, for five seconds at most. */
const LEASE_MARGIN_MS = 15_000;

/** Statuses that say "the same call may do better later": kept, they would make the key useless for it. */
const worthKeeping = ({ status }: Answer): boolean => status < 500 && status !== 429;

/** Reads the Idempotency-Key header. Throws `bad_request` unless it is 1 to 255 visible ASCII characters. */
export function idempotencyKeyFrom(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  const message = 'must be 1 to 255 visible ASCII characters';
  throw new VaneError('bad_request', `Idempotency-Key ${message}.`, { fields: [{ path: 'Idempotency-Key', message }] });
}

/** What makes two requests the same: the operation and all of its input, whatever the order of members. */
export const fingerprintOf = (operation: RestOperation, input: Record<string, unknown>): string =>
  createHash('sha256').update(JSON.stringify([operation.http.method, operation.name, sorted(input)])).digest('hex');

/**
 * Makes a call at most once per key: a repeat gets the first answer, marked `idempotency-replayed: true`, with null in
 * place of what the operation shows only once. Answers from 500 up, and 429, are not kept.
 */
export async function once(
  { idempotency: store, logger }: { idempotency: IdempotencyStore; logger: Logger },
  operation: RestOperation,
  call: KeyedCall,
  run: () => Promise<Answer>,
): Promise<Answer> {
  const claim = await store.claim(call, operation.deadlineMs + LEASE_MARGIN_MS);
  if (claim.kind === 'replay') {
    return { ...claim.answer, headers: { ...claim.answer.headers, 'idempotency-replayed': 'true' } };
  }
  // What was done is told even if it cannot be noted: then the key is free again when the lease ends.
  const note = (work: Promise<void>) =>
    work.catch((error: unknown) => logger.warn({ err: error, operation: operation.name }, 'idempotency key not settled'));
  try {
    const answer = await run();
    const keep = worthKeeping(answer);
    await note(keep ? store.keep(call, claim.lockedUntil, withoutRevealed(operation, answer)) : store.release(call, claim.lockedUntil));
    return answer;
  } catch (error) {
    await note(store.release(call, claim.lockedUntil));
    throw error;
  }
}

/** The answer as it may be stored. */
export function withoutRevealed({ http }: RestOperation, answer: Answer): Answer {
  if (!http.revealsSecret || answer.status >= 400) return answer;
  const body = JSON.parse(answer.body) as Record<string, unknown>;
  for (const member of http.revealsSecret) if (member in body) body[member] = null;
  return { ...answer, body: JSON.stringify(body) };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  // In a wrapping of its own, which tells it from an array; pairs, because an object puts names like "1" first again.
  return { members: members.map(([name, member]) => [name, sorted(member)]) };
}

import { createHash } from 'node:crypto';
import type { CallContext } from '@vane/contracts';

/** A key may be used again after this, as at the gateway. */
export const CREATION_KEY_MS = 24 * 3_600_000;

/**
 * Under which key we remember what a call created, so that a repeat of it finds that instead of making a second one: who
 * asked, under which idempotency key, for what: its hash, which `keyed` turns into one that nobody can try inputs against
 * where they hold a secret. Null for a call without a key, which is never a repeat.
 */
export async function creationKeyOf(
  call: CallContext,
  input: unknown,
  keyed: (hash: string) => Promise<string> = async (hash) => hash,
): Promise<string | null> {
  if (call.idempotencyKey === undefined) return null;
  const asked = createHash('sha256').update(JSON.stringify(input)).digest('hex');
  return `${call.actor.id}/${call.idempotencyKey}/${await keyed(asked)}`;
}

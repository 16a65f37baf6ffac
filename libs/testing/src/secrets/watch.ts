import { MASKED, maskInput, maskOutput, type CallContext, type Operation, type OutputOf } from '@vane/contracts';
import { Vault } from '@vane/db';
import { Bus } from '@vane/runtime';
import type { z } from 'zod';
import { keepSecret, keepSecretsIn } from './registry.js';

let watched = false;

/**
 * From now on this process keeps whatever one of its vaults encrypts, by the name of the column, and what its calls over
 * the bus carry where the contract says that it is a secret. Changes nothing of either.
 */
export function watchSecrets(): void {
  if (watched) return;
  watched = true;
  const { encrypt } = Vault.prototype;
  Vault.prototype.encrypt = function (plaintext, where) {
    keepSecretsIn(`${where.table}.${where.column}`, plaintext);
    return encrypt.call(this, plaintext, where);
  };
  const { ask } = Bus.prototype;
  Bus.prototype.ask = async function <O extends Operation>(this: Bus, operation: O, input: z.input<O['input']>, call: CallContext): Promise<OutputOf<O>> {
    const output = await ask.call(this, operation, input, call);
    keepSecretsOfCall(operation, input as Record<string, unknown>, output);
    return output as OutputOf<O>;
  };
}

/** Keeps what the contract of an operation marks as secret, in its input and its reply. */
export function keepSecretsOfCall(operation: Operation, input: Record<string, unknown>, output: unknown): void {
  keepMasked(operation.name, input, maskInput(operation, input));
  keepMasked(operation.name, output, maskOutput(operation, output));
}

/** Keeps every text that is masked as a whole. Of a URL parts are masked, which may be stored with it. */
function keepMasked(name: string, value: unknown, masked: unknown): void {
  if (typeof value === 'string' && masked === MASKED && value !== masked) keepSecret(name, value);
  if (typeof value !== 'object' || value === null || typeof masked !== 'object' || masked === null) return;
  for (const [member, below] of Object.entries(masked)) keepMasked(`${name} ${member}`, (value as Record<string, unknown>)[member], below);
}

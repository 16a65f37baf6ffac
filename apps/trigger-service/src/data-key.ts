import type { SealingKey } from '@vane/db';

/** The public half of the data ring: trigger-service can seal for run-worker and read nothing back. */
export class DataKey {
  constructor(readonly publicKey: SealingKey) {}
}

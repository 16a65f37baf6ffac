import { VaneError } from '@vane/contracts';

/** Something could not be encrypted or decrypted. Its message says why and what to do, never a key or a plaintext. */
export class VaultError extends VaneError {
  override readonly name = 'VaultError';

  constructor(message: string) {
    super('undecryptable', message);
  }
}

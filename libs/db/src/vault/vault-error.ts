/** Something could not be encrypted or decrypted. Its message says why and what to do, never a key or a plaintext. */
export class VaultError extends Error {
  override readonly name = 'VaultError';
}

import { Vault } from '@vane/db';
import { keepSecretsIn } from './registry.js';

let watched = false;

/** From now on whatever a vault of this process encrypts is kept as a secret, by the name of its column. Changes nothing else. */
export function watchVault(): void {
  if (watched) return;
  watched = true;
  const encrypt = Vault.prototype.encrypt;
  Vault.prototype.encrypt = function (this: Vault, plaintext, where) {
    keepSecretsIn(`${where.table}.${where.column}`, plaintext);
    return encrypt.call(this, plaintext, where);
  };
}

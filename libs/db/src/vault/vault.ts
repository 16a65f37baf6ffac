import { createHmac, hkdfSync } from 'node:crypto';
import type { Database } from '../database.js';
import { decryptAesGcm, encryptAesGcm } from './aes-gcm.js';
import { bindTo } from './cell.js';
import type { Cell } from './cell.js';
import { DataKeys } from './data-keys.js';
import type { DataKey } from './data-keys.js';
import type { KeyRing } from './key-ring.js';
import type { SymmetricRing } from './rings.js';
import { VaultError } from './vault-error.js';

const INSTANCE = 'instance';
const PURPOSE = 'vane column v1';
const DIGEST = 'vane digest v1';

/**
 * Encrypts columns: AES-256-GCM under a data key per workspace (or the instance), which a ring of keys from the
 * configuration wraps. Text form: `v1.<data key id>.<nonce>.<ciphertext and tag>`. Throws a
 * VaultError, or the database's own error when a data key cannot be read.
 */
export class Vault {
  private readonly ring: SymmetricRing;
  private readonly dataKeys: DataKeys;

  constructor(options: { database: Database; ring: SymmetricRing; keys: KeyRing; clock: { now(): Date } }) {
    this.ring = options.ring;
    this.dataKeys = new DataKeys(options);
  }

  /**
   * Fetches the data key of a workspace (null: of the instance). Before a transaction that encrypts: a key that is first
   * needed inside would take a second connection, and as many at once as the pool has would wait for each other.
   */
  async prepare(workspaceId: string | null): Promise<void> {
    await this.dataKeys.forScope(scopeOf({ workspaceId }));
  }

  async encrypt(plaintext: string, where: Cell): Promise<string> {
    const { id, key } = await this.dataKeys.forScope(scopeOf(where));
    return `v1.${id}.${encryptAesGcm(key, Buffer.from(plaintext), bindTo(PURPOSE, where))}`;
  }

  /** Asks the database only for a data key that this process has not seen yet. */
  async decrypt(ciphertext: string, where: Cell): Promise<string> {
    const { id, sealed } = this.parse(ciphertext, where);
    return this.open(await this.dataKeys.withId(id), sealed, where);
  }

  /** Like `decrypt`, without any query: undefined when this process has not seen the data key yet. */
  decryptCached(ciphertext: string, where: Cell): string | undefined {
    const { id, sealed } = this.parse(ciphertext, where);
    const dataKey = this.dataKeys.cached(id);
    return dataKey && this.open(dataKey, sealed, where);
  }

  /**
   * HMAC-SHA-256 of a text in base64url, with a key derived (RFC 5869) from the data key of a workspace (null: of the
   * instance): the same text has the same digest, also after a rotation, and who has the table alone cannot try texts.
   */
  async digest(text: string, workspaceId: string | null): Promise<string> {
    const { key } = await this.dataKeys.forScope(scopeOf({ workspaceId }));
    return createHmac('sha256', Buffer.from(hkdfSync('sha256', key, '', DIGEST, 32))).update(text).digest('base64url');
  }

  private parse(ciphertext: string, where: Cell): { id: string; sealed: string } {
    const [version, id, ...sealed] = ciphertext.split('.');
    if (version !== 'v1' || !id || sealed.length !== 2) {
      throw new VaultError(`${where.table}.${where.column} holds no value that this version can decrypt.`);
    }
    return { id, sealed: sealed.join('.') };
  }

  private open(dataKey: DataKey, sealed: string, where: Cell): string {
    const plaintext = dataKey.scope === scopeOf(where) ? decryptAesGcm(dataKey.key, sealed, bindTo(PURPOSE, where)) : undefined;
    if (!plaintext) {
      throw new VaultError(
        `${where.table}.${where.column} of ${where.row} cannot be decrypted with ring ${this.ring}: it was changed, or belongs to another row, column or workspace.`,
      );
    }
    return plaintext.toString();
  }
}

function scopeOf(where: Pick<Cell, 'workspaceId'>): string {
  if (where.workspaceId === INSTANCE || where.workspaceId === '') throw new VaultError('An encrypted value needs a workspace id, or null for the instance.');
  return where.workspaceId ?? INSTANCE;
}

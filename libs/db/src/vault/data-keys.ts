import { randomBytes } from 'node:crypto';
import type { Database } from '../database.js';
import { decryptAesGcm, encryptAesGcm } from './aes-gcm.js';
import type { KeyRing } from './key-ring.js';
import { VaultError } from './vault-error.js';

/** Rings of symmetric keys: credentials of oauth-service, hook secrets that ingress reads, what api-gateway keeps for people. */
export type SymmetricRing = 'oauth' | 'hooks' | 'access';
export type DataKey = { id: string; scope: string; key: Buffer };

type Row = { id: string; scope: string; ring_key_id: string; wrapped: string };
type Options = { database: Database; ring: SymmetricRing; keys: KeyRing; clock: { now(): Date } };

const CACHED = 10_000;

/** The data keys of one ring, one per scope (a workspace, or `instance`), wrapped by the ring's keys in table `data_key`. */
export class DataKeys {
  private readonly byId = new Map<string, DataKey>();
  private readonly byScope = new Map<string, DataKey>();
  private readonly loading = new Map<string, Promise<DataKey>>();

  constructor(private readonly options: Options) {}

  cached(id: string): DataKey | undefined {
    return this.byId.get(id);
  }

  /** The scope's key, made at its first use; processes that make it at once end up with the same one. */
  async forScope(scope: string): Promise<DataKey> {
    return this.byScope.get(scope) ?? this.once(`scope ${scope}`, async () => this.unwrap(await this.findOrCreate(scope)));
  }

  async withId(id: string): Promise<DataKey> {
    return this.byId.get(id) ?? this.once(`id ${id}`, async () => this.unwrap(await this.find(id)));
  }

  /** Wraps every key that an older key of the ring wraps with the current one; after that the older may be retired. */
  async rewrap(): Promise<number> {
    const { database, ring, keys } = this.options;
    const old = await database.pool.query<Row>(
      'SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND ring_key_id <> $2 ORDER BY id',
      [ring, keys.current.id],
    );
    let rewrapped = 0;
    for (const row of old.rows) {
      const { key } = this.unwrap(row);
      const { rowCount } = await database.pool.query(
        'UPDATE data_key SET wrapped = $3, ring_key_id = $4 WHERE id = $1 AND ring_key_id = $2',
        [row.id, row.ring_key_id, this.wrap(key, row.id, row.scope), keys.current.id],
      );
      rewrapped += rowCount ?? 0;
    }
    return rewrapped;
  }

  private async findOrCreate(scope: string): Promise<Row> {
    const { database, ring, keys, clock } = this.options;
    const select = () =>
      database.pool.query<Row>('SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND scope = $2', [ring, scope]);
    const known = (await select()).rows[0];
    if (known) return known;
    const id = `dk_${randomBytes(15).toString('base64url')}`;
    await database.pool.query(
      `INSERT INTO data_key (id, ring, scope, ring_key_id, wrapped, created_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (ring, scope) DO NOTHING`,
      [id, ring, scope, keys.current.id, this.wrap(randomBytes(32), id, scope), clock.now()],
    );
    const created = (await select()).rows[0];
    if (!created) throw new VaultError(`The data key of ${scope} was removed while it was made; try again.`);
    return created;
  }

  private async find(id: string): Promise<Row> {
    const { database, ring } = this.options;
    const found = await database.pool.query<Row>('SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND id = $2', [
      ring,
      id,
    ]);
    const row = found.rows[0];
    if (!row) throw new VaultError(`No data key of ring ${ring} has the id that the encrypted value names; was the table restored?`);
    return row;
  }

  private wrap(key: Buffer, id: string, scope: string): string {
    return encryptAesGcm(this.options.keys.current.bytes, key, this.binding(id, scope));
  }

  private unwrap(row: Row): DataKey {
    const { ring, keys } = this.options;
    const ringKey = keys.all.get(row.ring_key_id);
    if (!ringKey) throw new VaultError(`Ring ${ring} has no key ${row.ring_key_id}, which data is encrypted with; add it to the ring again.`);
    const key = decryptAesGcm(ringKey.bytes, row.wrapped, this.binding(row.id, row.scope));
    if (!key) throw new VaultError(`Key ${row.ring_key_id} of ring ${ring} is not the one that data was encrypted with; put the right one back.`);
    return this.remember({ id: row.id, scope: row.scope, key });
  }

  private binding(id: string, scope: string): Buffer {
    return Buffer.from(JSON.stringify(['vane data key v1', this.options.ring, id, scope]));
  }

  private remember(dataKey: DataKey): DataKey {
    this.byId.set(dataKey.id, dataKey);
    this.byScope.set(dataKey.scope, dataKey);
    if (this.byId.size > CACHED) this.forgetOldest();
    return dataKey;
  }

  private forgetOldest(): void {
    for (const oldest of this.byId.values()) {
      this.byId.delete(oldest.id);
      this.byScope.delete(oldest.scope);
      return;
    }
  }

  private once(name: string, load: () => Promise<DataKey>): Promise<DataKey> {
    const running = this.loading.get(name);
    if (running) return running;
    const promise = load().finally(() => this.loading.delete(name));
    this.loading.set(name, promise);
    return promise;
  }
}

import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Database } from '../database.js';
import type { KeyRing } from './key-ring.js';
import type { SymmetricRing } from './rings.js';
import { VaultError } from './vault-error.js';
import { lockWrapping, unwrapDataKey, wrapDataKey, type DataKeyRow } from './wrapping.js';

export type DataKey = { id: string; scope: string; key: Buffer };

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

  private async findOrCreate(scope: string): Promise<DataKeyRow> {
    const { database, ring } = this.options;
    const select = () =>
      database.pool.query<DataKeyRow>('SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND scope = $2', [ring, scope]);
    const known = (await select()).rows[0];
    if (known) return known;
    await database.transaction((tx) => this.create(tx, scope));
    const created = (await select()).rows[0];
    if (!created) throw new VaultError(`The data key of ${scope} was removed while it was made; try again.`);
    return created;
  }

  private async create(tx: Pick<pg.PoolClient, 'query'>, scope: string): Promise<void> {
    const { ring, keys, clock } = this.options;
    const id = `dk_${randomBytes(15).toString('base64url')}`;
    // The ring is asked after the lock is had: a rotation waits for the lock between changing the current key and looking
    // what still needs the one before, so that no key is wrapped with one that is being retired.
    await lockWrapping(tx, ring, 'shared');
    const { current } = keys;
    const wrapped = wrapDataKey(ring, current, { id, scope }, randomBytes(32));
    await tx.query(
      `INSERT INTO data_key (id, ring, scope, ring_key_id, wrapped, created_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (ring, scope) DO NOTHING`,
      [id, ring, scope, current.id, wrapped, clock.now()],
    );
  }

  private async find(id: string): Promise<DataKeyRow> {
    const { database, ring } = this.options;
    const found = await database.pool.query<DataKeyRow>('SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND id = $2', [
      ring,
      id,
    ]);
    const row = found.rows[0];
    if (!row) throw new VaultError(`No data key of ring ${ring} has the id that the encrypted value names; was the table restored?`);
    return row;
  }

  /** A rotation may wrap the key anew and retire the ring's older one after the row was read: then it is read once more. */
  private async unwrap(row: DataKeyRow, again = true): Promise<DataKey> {
    const key = unwrapDataKey(this.options.ring, this.options.keys.all, row);
    if (!(key instanceof VaultError)) return this.remember({ id: row.id, scope: row.scope, key });
    const now = again ? await this.find(row.id) : row;
    if (now.ring_key_id === row.ring_key_id) throw key;
    return this.unwrap(now, false);
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

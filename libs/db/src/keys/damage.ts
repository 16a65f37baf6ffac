import type { Database } from '../database.js';
import { openingKeys, open, sealedToKey } from '../vault/seal.js';
import { RINGS, settingsOfRing, type Ring, type SymmetricRing } from '../vault/rings.js';
import { VaultError } from '../vault/vault-error.js';
import { unwrapDataKey, type DataKeyRow } from '../vault/wrapping.js';
import type { ConfiguredRings } from './configured-rings.js';
import { SEALED_TABLES, sealedRows, type SealedRow } from './reseal.js';

/** What a ring lacks. `problem`: the ring itself cannot be read. `keys`: how much each missing or wrong key id encrypts. */
export type RingDamage = {
  ring: Ring;
  problem: string | null;
  keys: { id: string; state: 'missing' | 'wrong'; count: number }[];
  /** Workspaces (`instance` for what belongs to none) whose data key cannot be had. */
  scopes: string[];
  /** For ring data: the values that cannot be opened, by table and workspace. */
  values: { table: 'secret' | 'runnable'; workspaceId: string; row: string }[];
};

const BATCH = 1_000;

/** Tries every data key of the symmetric rings and, of ring data, every key id that a workspace uses (`deep`: every value). */
export async function findDamage(database: Database, rings: ConfiguredRings, deep: boolean): Promise<RingDamage[]> {
  const found: RingDamage[] = [];
  for (const ring of RINGS) found.push(await damageOf(database, rings, ring, deep));
  return found;
}

/** The same for one ring. */
export function damageOf(database: Database, rings: ConfiguredRings, ring: Ring, deep = false): Promise<RingDamage> {
  return ring === 'data' ? damageOfValues(database, rings, deep) : damageOfDataKeys(database, rings, ring);
}

async function damageOfDataKeys(database: Database, rings: ConfiguredRings, ring: SymmetricRing): Promise<RingDamage> {
  const keys = rings.tryRead(settingsOfRing(ring)[0]!);
  const all = keys instanceof VaultError ? new Map() : keys.all;
  const damage: RingDamage = { ring, problem: keys instanceof VaultError ? keys.message : null, keys: [], scopes: [], values: [] };
  for (let after = ''; ; ) {
    const { rows } = await database.pool.query<DataKeyRow>(
      'SELECT id, scope, ring_key_id, wrapped FROM data_key WHERE ring = $1 AND id > $2 ORDER BY id LIMIT $3',
      [ring, after, BATCH],
    );
    for (const row of rows) {
      if (Buffer.isBuffer(unwrapDataKey(ring, all, row))) continue;
      count(damage, row.ring_key_id, all.has(row.ring_key_id));
      damage.scopes.push(row.scope);
    }
    if (rows.length < BATCH) return damage;
    after = rows.at(-1)!.id;
  }
}

async function damageOfValues(database: Database, rings: ConfiguredRings, deep: boolean): Promise<RingDamage> {
  const keys = rings.tryRead('VANE_KEYS_DATA_PRIVATE');
  const all = keys instanceof VaultError ? new Map<string, never>() : keys.all;
  const opening = keys instanceof VaultError ? undefined : await openingKeys(keys).catch((error: unknown) => error as VaultError);
  const problem = keys instanceof VaultError ? keys : opening instanceof VaultError ? opening : undefined;
  const damage: RingDamage = { ring: 'data', problem: problem?.message ?? null, keys: [], scopes: [], values: [] };
  const publicRing = rings.tryRead('VANE_KEYS_DATA_PUBLIC');
  if (publicRing instanceof VaultError) damage.problem ??= publicRing.message;
  else if (!all.has(publicRing.current.id)) damage.problem ??= `Values are sealed to ${publicRing.current.id}, whose private half VANE_KEYS_DATA_PRIVATE lacks.`;
  const readable = new Set<string>();
  for (const place of SEALED_TABLES) {
    for (let after: SealedRow | undefined; ; ) {
      const rows = await sealedRows(database, place, after);
      for (const row of rows) {
        const keyId = sealedToKey(row.sealed) ?? '';
        const tried = JSON.stringify([place.table, row.workspaceId, keyId]);
        if (!deep && readable.has(tried)) continue;
        const opened = opening && !(opening instanceof VaultError) && (await open(opening, row.sealed, place.cell(row.workspaceId, row.row)).then(() => true, () => false));
        if (opened) readable.add(tried);
        else {
          count(damage, keyId, all.has(keyId));
          damage.values.push({ table: place.table, workspaceId: row.workspaceId, row: row.row });
        }
      }
      if (rows.length === 0) break;
      after = rows.at(-1);
    }
  }
  return damage;
}

function count(damage: RingDamage, id: string, present: boolean): void {
  const known = damage.keys.find((key) => key.id === id);
  if (known) known.count += 1;
  else damage.keys.push({ id, state: present ? 'wrong' : 'missing', count: 1 });
}

import { Database, deliveryAuthCell, ENCRYPTED_TABLES, open, openingKeys, openKeyRing, SEALED_TABLES, Vault, VaultError, type KeyRing, type RingSetting, type SymmetricRing } from '@vane/db';
import { SystemClock } from '@vane/runtime';
import { keepSecretsIn } from './registry.js';

/** Settings that say where the rings of an installation are: `VANE_KEYS_OAUTH_FILE` and the like. */
export type Rings = Record<string, string>;

const SETTING: Record<SymmetricRing, RingSetting> = {
  oauth: 'VANE_KEYS_OAUTH', hooks: 'VANE_KEYS_HOOKS', access: 'VANE_KEYS_ACCESS',
};
/** What was cut out of deliveries, beside the values that people keep. */
const SEALED = [...SEALED_TABLES, { table: 'delivery', row: 'id', column: 'sealed_auth', cell: deliveryAuthCell }];

type Row = { id: string; workspaceId: string; text: string };

/** Decrypts and opens all that a database holds and keeps it as secrets: none of it may stand anywhere readably. Returns how much it was. */
export async function keepStored(url: string, rings: Rings): Promise<number> {
  const database = Database.connect({ url, applicationName: 'vane-secret-scan', maxConnections: 2 });
  try {
    return (await keepEncrypted(database, rings)) + (await keepSealed(database, rings));
  } finally {
    await database.close();
  }
}

async function keepEncrypted(database: Database, rings: Rings): Promise<number> {
  let count = 0;
  for (const { table, ring, columns } of ENCRYPTED_TABLES) {
    const keys = ringOrNone(rings, SETTING[ring]);
    if (!keys) continue;
    const vault = new Vault({ database, ring, keys, clock: new SystemClock() });
    for (const column of columns) {
      const { rows } = await database.pool.query<Row>(`SELECT id, workspace_id AS "workspaceId", ${column} AS text FROM ${table} WHERE ${column} <> ''`);
      for (const { id, workspaceId, text } of rows) {
        count += await keep(`${table}.${column}`, () => vault.decrypt(text, { table, row: id, column, workspaceId }));
      }
    }
  }
  return count;
}

async function keepSealed(database: Database, rings: Rings): Promise<number> {
  const ring = ringOrNone(rings, 'VANE_KEYS_DATA_PRIVATE');
  if (!ring) return 0;
  const keys = await openingKeys(ring);
  let count = 0;
  for (const { table, row, column, cell } of SEALED) {
    const { rows } = await database.pool.query<Row>(`SELECT ${row} AS id, workspace_id AS "workspaceId", ${column} AS text FROM ${table} WHERE ${column} <> ''`);
    for (const { id, workspaceId, text } of rows) count += await keep(`${table}.${column}`, () => open(keys, text, cell(workspaceId, id)));
  }
  return count;
}

/** A test may have taken a ring away. */
function ringOrNone(rings: Rings, setting: RingSetting): KeyRing | undefined {
  try {
    return openKeyRing(rings, setting);
  } catch (error) {
    if (error instanceof VaultError) return undefined;
    throw error;
  }
}

/** What a test has broken on purpose tells nothing. */
async function keep(name: string, read: () => Promise<string>): Promise<number> {
  try {
    keepSecretsIn(name, await read());
    return 1;
  } catch (error) {
    if (error instanceof VaultError) return 0;
    throw error;
  }
}

import type { Database } from '../database.js';
import { openKeyRing, RING_SETTINGS, settingsOfRing, type RingSetting, type RingSources, type SymmetricRing } from './rings.js';
import type { KeyRing } from './key-ring.js';
import { openingKeys, sealingKey, type OpeningKeys, type SealingKey } from './seal.js';
import { Vault } from './vault.js';

/** The log of an app; structural, so that this library knows no framework. */
export type KeyLog = { error(fields: Record<string, unknown>, message: string): void };

export type VaultHost = { database: Database; clock: { now(): Date }; logger: KeyLog };

const CHECK = 'What they encrypt cannot be read until they are back: "./vane keys check" says what that is.';

/**
 * The vault of a ring out of an app's settings. An app whose ring lacks keys starts all the same, for the workspaces whose
 * data keys it can unwrap, and says so in its log. Throws a VaultError when the settings hold no ring.
 */
export function openVault(ring: SymmetricRing, settings: RingSources, { database, clock, logger }: VaultHost): Vault {
  const keys = loggedRing(settings, settingsOfRing(ring)[0]!, logger);
  reportMissing(keys, logger, `ring ${ring}`, async () => {
    const { rows } = await database.pool.query<{ id: string }>('SELECT DISTINCT ring_key_id AS id FROM data_key WHERE ring = $1', [ring]);
    return rows.map(({ id }) => id);
  });
  return new Vault({ database, ring, keys, clock });
}

/** The public half of ring data out of an app's settings. Throws a VaultError. */
export function openSealingKey(settings: RingSources, logger: KeyLog): Promise<SealingKey> {
  return sealingKey(loggedRing(settings, 'VANE_KEYS_DATA_PUBLIC', logger));
}

/** The private half of ring data out of an app's settings; keys that it lacks are logged. Throws a VaultError. */
export async function openOpeningKeys(settings: RingSources, { database, logger }: Pick<VaultHost, 'database' | 'logger'>): Promise<OpeningKeys> {
  const keys = loggedRing(settings, 'VANE_KEYS_DATA_PRIVATE', logger);
  reportMissing(keys, logger, 'ring data', async () => {
    const { rows } = await database.pool.query<{ id: string }>(
      `SELECT DISTINCT split_part(sealed, '.', 2) AS id FROM secret
       UNION SELECT DISTINCT split_part(secret_sealed, '.', 2) FROM runnable WHERE secret_sealed IS NOT NULL AND deleted_at IS NULL`,
    );
    return rows.map(({ id }) => id);
  });
  return openingKeys(keys);
}

function loggedRing(settings: RingSources, name: RingSetting, logger: KeyLog): KeyRing {
  return openKeyRing(settings, name, (error) =>
    logger.error({ err: error }, `${RING_SETTINGS[name].name} cannot be read again; going on with the keys that were read last`),
  );
}

/** In the background: a database that is away does not keep an app from starting. */
function reportMissing(keys: KeyRing, logger: KeyLog, what: string, used: () => Promise<string[]>): void {
  const look = async () => {
    const missing = (await used()).filter((id) => !keys.all.has(id));
    if (missing.length > 0) logger.error({ missing }, `${what} lacks keys that data is encrypted with. ${CHECK}`);
  };
  look().catch(() => undefined);
}

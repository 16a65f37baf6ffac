import { statSync } from 'node:fs';
import { readKeyRingFile } from '../vault/key-ring-file.js';
import { parseKeyRing, type KeyRing } from '../vault/key-ring.js';
import { openKeyRing, RING_SETTINGS, type RingSetting, type RingSources } from '../vault/rings.js';
import { VaultError } from '../vault/vault-error.js';

/** Where the settings of this process say that a ring is. */
export type RingPlace = { setting: RingSetting; source: 'file' | 'environment' | 'none'; path?: string };

/** The rings that the settings give, for the commands that look after keys: read anew each time. */
export class ConfiguredRings {
  constructor(private readonly settings: RingSources) {}

  place(setting: RingSetting): RingPlace {
    if (this.settings[setting]) return { setting, source: 'environment' };
    const path = this.settings[`${setting}_FILE`];
    return typeof path === 'string' && path !== '' ? { setting, source: 'file', path } : { setting, source: 'none' };
  }

  /** Throws a VaultError that says what to set, or what is wrong with the ring. */
  read(setting: RingSetting): KeyRing {
    const place = this.place(setting);
    return place.path === undefined ? openKeyRing(this.settings, setting) : parseKeyRing(readKeyRingFile(place.path), RING_SETTINGS[setting]);
  }

  /** The ring, or why there is none. */
  tryRead(setting: RingSetting): KeyRing | VaultError {
    try {
      return this.read(setting);
    } catch (error) {
      if (error instanceof VaultError) return error;
      throw error;
    }
  }

  /** When the file of a ring was last replaced; undefined for a ring out of the environment. */
  changedAt(setting: RingSetting): Date | undefined {
    const { path } = this.place(setting);
    return path === undefined ? undefined : statSync(path).mtime;
  }
}

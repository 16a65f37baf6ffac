import { randomBytes } from 'node:crypto';
import type { Database } from '../database.js';
import { writeKeyRingFile } from '../vault/key-ring-file.js';
import type { KeyRing, RingKey } from '../vault/key-ring.js';
import { settingsOfRing, type Ring, type RingSetting, type SymmetricRing } from '../vault/rings.js';
import { newKeyPair, openingKeys, publicHalf, sealingKey } from '../vault/seal.js';
import { VaultError } from '../vault/vault-error.js';
import { lockWrapping } from '../vault/wrapping.js';
import type { ConfiguredRings } from './configured-rings.js';
import { resealValues } from './reseal.js';
import { rewrapDataKeys, type Moved } from './rewrap.js';
import { keyUsage } from './usage.js';

export type RotationHost = { database: Database; rings: ConfiguredRings; clock: { now(): Date }; say: (line: string) => void };
export type Rotated = Moved & { ring: Ring; current: string; retired: string[]; kept: Kept[] };
/** A key that is not the current one and stays in the ring, and why. */
export type Kept = { id: string; reason: string };

/**
 * Deliveries that are on their way may hold values that were sealed before another key became the current one, and can be
 * used for an hour.
 */
const DELIVERY_LIFE_MS = 3_600_000;

/**
 * Rotates a ring whose keys are in files, while apps use it: adds a new key, makes it the current one, moves what older
 * keys encrypt to it, and removes those that nothing needs any more. Each step is whole and leaves a state that the next
 * run recognises, so a rotation that was cut off goes on instead of starting another. Throws a VaultError.
 */
export async function rotateRing(host: RotationHost, ring: Ring): Promise<Rotated> {
  const { current, all, added } = await readFiles(host, ring);
  if (all.size > 1 && !added) {
    const finished = await finish(host, ring, current);
    if (finished.moved > 0 || finished.retired.length > 0) return finished;
  }
  const key = added ?? addKey(host, ring, current, all);
  makeCurrent(host, ring, key);
  return finish(host, ring, key);
}

async function finish(host: RotationHost, ring: Ring, { id }: RingKey): Promise<Rotated> {
  const moved = await moveToCurrent(host, ring);
  return { ring, current: id, ...moved, ...(await retireKeys(host, ring)) };
}

/** Moves what older keys of the ring encrypt to the current one. Also for rings out of the environment. */
export async function moveToCurrent({ database, rings, say }: Pick<RotationHost, 'database' | 'rings' | 'say'>, ring: Ring): Promise<Moved> {
  const progress = (done: number) => say(`${ring}: ${done} done`);
  if (ring !== 'data') {
    const keys = rings.read(settingsOfRing(ring)[0]!);
    await waitForWrapping(database, ring);
    return rewrapDataKeys(database, ring, keys, progress);
  }
  const [to, from] = [await sealingKey(rings.read('VANE_KEYS_DATA_PUBLIC')), await openingKeys(rings.read('VANE_KEYS_DATA_PRIVATE'))];
  const { keyId } = await to.current();
  if (!(await from.find(keyId))) throw new VaultError(`Ring data seals to ${keyId}, but VANE_KEYS_DATA_PRIVATE has no such key: add its private half first.`);
  return resealValues(database, to, from, progress);
}

/** Removes the keys of a ring in files that are not current and that nothing needs. Says why others stay. */
export async function retireKeys({ database, rings, clock }: RotationHost, ring: Ring): Promise<{ retired: string[]; kept: Kept[] }> {
  const holding = settingsOfRing(ring).at(-1)!;
  return database.transaction(async (tx) => {
    // No data key can be made with an older key from here on, and none is being made.
    if (ring !== 'data') await lockWrapping(tx, ring, 'exclusive');
    const { retirable, kept } = await judgeKeys({ database, rings, clock }, ring);
    if (retirable.length > 0) {
      for (const setting of settingsOfRing(ring)) dropKeys(rings, setting, retirable);
    }
    const all = [...rings.read(holding).all.keys()];
    return { retired: retirable.filter((id) => !all.includes(id)), kept };
  });
}

/** Which keys of a ring nothing needs any more, and why the others that are not current stay. Throws a VaultError. */
export async function judgeKeys({ database, rings, clock }: Pick<RotationHost, 'database' | 'rings' | 'clock'>, ring: Ring): Promise<{ retirable: string[]; kept: Kept[] }> {
  const [using, holding] = [settingsOfRing(ring)[0]!, settingsOfRing(ring).at(-1)!];
  const current = rings.read(using).current.id;
  const usage = await keyUsage(database, ring, clock.now());
  const changedAt = ring === 'data' ? rings.changedAt(using) : undefined;
  const freeAt = new Date((changedAt?.getTime() ?? 0) + DELIVERY_LIFE_MS);
  const [retirable, kept]: [string[], Kept[]] = [[], []];
  for (const id of rings.read(holding).all.keys()) {
    const uses = Object.entries(usage.get(id) ?? {}).map(([what, count]) => `${count} ${what}`);
    if (id === current) continue;
    if (uses.length > 0) kept.push({ id, reason: `${uses.join(' and ')} need it` });
    else if (freeAt > clock.now()) kept.push({ id, reason: `deliveries on their way may need it until ${freeAt.toISOString()}` });
    else retirable.push(id);
  }
  return { retirable, kept };
}

/** The ring, which has to be in files; `added` is the key that a rotation which was cut off has added and not yet used. */
async function readFiles({ database, rings, clock }: RotationHost, ring: Ring): Promise<{ current: RingKey; all: KeyRing['all']; added: RingKey | undefined }> {
  const settings = settingsOfRing(ring);
  const elsewhere = settings.filter((setting) => rings.place(setting).source !== 'file');
  if (elsewhere.length > 0) throw new VaultError(`Ring ${ring} is not in a file (${elsewhere.join(', ')}), so it has to be rotated by hand.`);
  const [using, holding] = [settings[0]!, settings.at(-1)!];
  const [{ current }, { all }] = [rings.read(using), rings.read(holding)];
  if (!all.has(current.id)) throw new VaultError(`${holding}_FILE has no key ${current.id}, which ${using}_FILE names: put the private half back.`);
  const last = [...all.values()].at(-1)!;
  const isNew = generation(last.id) > generation(current.id) && !(await keyUsage(database, ring, clock.now())).has(last.id);
  return { current: all.get(current.id)!, all, added: isNew ? last : undefined };
}

/** A new key, which every process knows from now on and none uses yet. */
function addKey({ rings, say }: RotationHost, ring: Ring, current: RingKey, all: KeyRing['all']): RingKey {
  const id = `k${generation(current.id) + 1}`;
  const key = ring === 'data' ? newKeyPair(id).private : { id, bytes: randomBytes(32) };
  writeKeyRingFile(rings.place(settingsOfRing(ring).at(-1)!).path!, [...all.values(), key]);
  say(`${ring}: ${id} is known.`);
  return key;
}

/** Processes that read the ring from now on encrypt with this key; all of them know it already. */
function makeCurrent({ rings, say }: RotationHost, ring: Ring, key: RingKey): void {
  for (const setting of settingsOfRing(ring).toReversed()) {
    const { current, all } = rings.read(setting);
    if (current.id === key.id) continue;
    const first = setting === 'VANE_KEYS_DATA_PUBLIC' ? publicHalf(key) : key;
    writeKeyRingFile(rings.place(setting).path!, [first, ...[...all.values()].filter(({ id }) => id !== key.id)]);
  }
  say(`${ring}: ${key.id} is the current key.`);
}

function dropKeys(rings: ConfiguredRings, setting: RingSetting, ids: string[]): void {
  const { all }: KeyRing = rings.read(setting);
  const left = [...all.values()].filter(({ id }) => !ids.includes(id));
  const { path } = rings.place(setting);
  if (path !== undefined && left.length < all.size) writeKeyRingFile(path, left);
}

/** When this returns, whoever was making a data key with the key before has committed it. */
async function waitForWrapping(database: Database, ring: SymmetricRing): Promise<void> {
  await database.transaction((tx) => lockWrapping(tx, ring, 'exclusive'));
}

/** 3 for `k3` and `k3-9f2c`, 0 for a name of another form. */
const generation = (id: string): number => Number(/^k(\d{1,9})(?:-|$)/.exec(id)?.[1] ?? 0);

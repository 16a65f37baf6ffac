import type { Database } from '../database.js';
import { settingsOfRing, SYMMETRIC_RINGS, type Ring, type SymmetricRing } from '../vault/rings.js';
import { Vault } from '../vault/vault.js';
import { VaultError } from '../vault/vault-error.js';
import { affectedBy, KINDS, type AffectedWorkspace } from './affected.js';
import { ConfiguredRings } from './configured-rings.js';
import { damageOf, findDamage } from './damage.js';
import { findUnreadableCells } from './encrypted-columns.js';
import { withKeysLock } from './keys-lock.js';
import { moveToCurrent, retireKeys, rotateRing, type RotationHost } from './rotation.js';
import { ringStatuses } from './status.js';
import { keyUsage } from './usage.js';

/** What a command came to: `facts` is its last line, as JSON. */
export type Answer = { ok: boolean; facts: Record<string, unknown> };

/** Shows every ring. */
export async function status(host: RotationHost): Promise<Answer> {
  const rings = await ringStatuses(host);
  for (const { ring, source, problem, keys } of rings) {
    host.say(`${ring} (${source})${problem ? `: ${problem}` : ''}`);
    for (const { id, state, uses, note } of keys) {
      const counted = Object.entries(uses).map(([what, count]) => `${count} ${what}`).join(', ') || 'nothing';
      host.say(`  ${id.padEnd(12)} ${state.padEnd(8)} ${counted}${note ? `; ${note}` : ''}`);
    }
  }
  const ok = rings.every(({ problem, keys }) => problem === null && keys.every(({ state }) => state !== 'missing'));
  return { ok, facts: { rings } };
}

/** Rotates rings in files; says for those in the environment what to set in which order. */
export async function rotate(host: RotationHost, rings: Ring[]): Promise<Answer> {
  return withKeysLock(host.database, async () => {
    const done: Record<string, unknown> = {};
    let ok = true;
    for (const ring of rings) {
      const byHand = settingsOfRing(ring).filter((setting) => host.rings.place(setting).source !== 'file');
      if (byHand.length > 0) {
        for (const line of instructions(ring, byHand, host.rings)) host.say(line);
        done[ring] = { byHand };
        ok = false;
        continue;
      }
      await refuseForeignRing(host, ring);
      const { ring: _, ...rotated } = await rotateRing(host, ring);
      done[ring] = rotated;
      host.say(`${ring}: ${rotated.moved} moved to ${rotated.current}${rotated.retired.length ? `, retired ${rotated.retired.join(', ')}` : ''}.`);
      for (const { id, reason } of rotated.kept) host.say(`${ring}: ${id} stays, because ${reason}. "./vane keys retire ${ring}" removes it when nothing needs it.`);
      if (rotated.unreadable > 0) host.say(`${ring}: ${rotated.unreadable} could not be read: see ./vane keys check.`);
      ok &&= rotated.unreadable === 0;
    }
    return { ok, facts: { rings: done } };
  });
}

/** Moves what older keys encrypt to the current one. */
export async function rewrap(host: RotationHost, rings: Ring[]): Promise<Answer> {
  return withKeysLock(host.database, async () => {
    const done: Record<string, { moved: number; unreadable: number }> = {};
    for (const ring of rings) {
      done[ring] = await moveToCurrent(host, ring);
      host.say(`${ring}: ${done[ring].moved} moved to the current key${done[ring].unreadable ? `, ${done[ring].unreadable} could not be read: see ./vane keys check` : ''}.`);
    }
    return { ok: Object.values(done).every(({ unreadable }) => unreadable === 0), facts: { rings: done } };
  });
}

/** Removes keys that nothing needs from rings in files, after what was encrypted with them since has been moved. */
export async function retire(host: RotationHost, rings: Ring[]): Promise<Answer> {
  return withKeysLock(host.database, async () => {
    const done: Record<string, unknown> = {};
    for (const ring of rings) {
      await moveToCurrent(host, ring);
      const { retired, kept } = await retireKeys(host, ring);
      done[ring] = { retired, kept };
      host.say(`${ring}: ${retired.length ? `retired ${retired.join(', ')}` : 'nothing to retire from files'}.`);
      for (const { id, reason } of kept) host.say(`${ring}: ${id} stays, because ${reason}.`);
    }
    return { ok: true, facts: { rings: done } };
  });
}

/** Says what cannot be read and what people do about it. */
export async function check({ database, rings, clock, say }: RotationHost, deep: boolean): Promise<Answer> {
  const damage = await findDamage(database, rings, deep);
  const { tried, unreadable: cells } = deep ? await findUnreadableCells(database, vaultsOf(database, rings, clock)) : { tried: 0, unreadable: [] };
  const workspaces = await affectedBy(database, damage, cells);
  for (const { ring, problem, keys } of damage) {
    if (problem) say(`Ring ${ring}: ${problem}`);
    for (const { id, state, count } of keys) {
      const what = ring === 'data' ? 'values are sealed to it' : 'data keys are wrapped with it';
      say(`Ring ${ring}: key ${id || '(unknown)'} is ${state === 'missing' ? 'missing' : 'not the one that was used'}; ${count} ${what}. Put the right one back, if there is a copy.`);
    }
  }
  for (const workspace of workspaces) describe(workspace, say);
  const lost = damage.filter(({ problem, keys }) => problem !== null || keys.length > 0);
  const ok = lost.length === 0 && cells.length === 0;
  if (ok) say(deep ? `Everything that is encrypted can be read. Tried: ${tried} values in columns, and all that is sealed for scripts.` : 'Every key that is needed is there ("--deep" tries every value).');
  else if (lost.some(({ scopes }) => scopes.length > 0)) say('What a lost data key encrypted cannot be replaced while that key stands in the way: "./vane keys discard RING" sets it aside.');
  const report = damage.map(({ ring, problem, keys, scopes, values }) => ({ ring, problem, keys, scopes: scopes.length, values: values.length }));
  return { ok, facts: { deep, rings: report, tried, cells: cells.length, workspaces } };
}

/**
 * Sets aside the data keys of a ring that cannot be unwrapped, so that their workspaces get new ones and what is lost can
 * be entered again. They stay in the table, under ring `lost:<ring>`, for the day on which the key is found.
 */
export async function discard(host: RotationHost, ring: SymmetricRing, confirmed: boolean): Promise<Answer> {
  return withKeysLock(host.database, async () => {
    const damage = await damageOf(host.database, host.rings, ring);
    if (damage.problem) throw new VaultError(damage.problem);
    const lost = damage.keys.map(({ id }) => id);
    const { scopes } = damage;
    if (scopes.length === 0 || !confirmed) {
      host.say(scopes.length === 0 ? `Every data key of ring ${ring} can be unwrapped.` : `${scopes.length} data keys of ring ${ring} cannot be unwrapped. See "./vane keys check" for what is lost with them, restart the apps with the ring as it is now, and repeat this with --yes.`);
      return { ok: scopes.length === 0, facts: { ring, discarded: 0, scopes: scopes.length } };
    }
    const { rowCount } = await host.database.pool.query(
      `UPDATE data_key SET ring = 'lost:' || ring || ':' || id WHERE ring = $1 AND scope = ANY ($2) AND ring_key_id = ANY ($3)`,
      [ring, scopes, lost],
    );
    host.say(`Set ${rowCount} data keys of ring ${ring} aside: what they encrypted has to be entered again.`);
    return { ok: true, facts: { ring, discarded: rowCount, scopes: scopes.length } };
  });
}

/**
 * The apps may have been started with other rings than this command: rotating a ring that opens nothing of what is stored
 * would leave them with data keys that they cannot unwrap.
 */
async function refuseForeignRing({ database, rings, clock }: RotationHost, ring: Ring): Promise<void> {
  const uses = [...(await keyUsage(database, ring, clock.now())).values()];
  const stored = uses.reduce((sum, { deliveries: _, ...lasting }) => sum + Object.values(lasting).reduce((one, other) => one + other, 0), 0);
  const lost = (await damageOf(database, rings, ring)).keys.reduce((sum, { count }) => sum + count, 0);
  if (stored > 0 && lost >= stored) throw new VaultError(`Ring ${ring} as it is set here opens nothing of what is stored, so it is not the one that the apps use: set the same VANE_KEYS_* for this command. If its keys are lost, see "./vane keys check".`);
}

function describe({ id, name, objects }: AffectedWorkspace, say: (line: string) => void): void {
  say(`${name}${id === null ? '' : ` (${id})`}:`);
  for (const { title, remedy } of KINDS) {
    const labels = (objects[title] ?? []).map(({ label }) => label);
    if (labels.length > 0) say(`  ${labels.length} ${title}, ${remedy}: ${labels.join(', ')}`);
  }
}

function vaultsOf(database: Database, rings: ConfiguredRings, clock: { now(): Date }): Partial<Record<SymmetricRing, Vault>> {
  const readable = SYMMETRIC_RINGS.map((ring) => ({ ring, keys: rings.tryRead(settingsOfRing(ring)[0]!) }));
  return Object.fromEntries(readable.flatMap(({ ring, keys }) => (keys instanceof VaultError ? [] : [[ring, new Vault({ database, ring, keys, clock })]])));
}

/** How a ring is rotated that the commands cannot write. Shows no key. */
function instructions(ring: Ring, settings: string[], rings: ConfiguredRings): string[] {
  const ids = rings.tryRead(settingsOfRing(ring).at(-1)!);
  const known = ids instanceof VaultError ? [] : [...ids.all.keys()];
  const next = `k${Math.max(0, ...known.map((id) => Number(/^k(\d{1,9})/.exec(id)?.[1] ?? 0))) + 1}`;
  const [first, second] = settingsOfRing(ring);
  const privately = second ?? first;
  return [
    `Ring ${ring} is given by ${settings.join(' and ')} and is rotated in these steps; processes read it when they start.`,
    `1. "node dist/keys-cli.js ${ring} ${next}" makes ${second ? 'both halves of ' : ''}the new key ${next}.`,
    `2. Append it to ${privately} ("<what is there>,<${second ? 'private half of ' : ''}${next}>") and restart every app that has it: now all of them know it.`,
    second ? `3. Set ${first} to "<public half of ${next}>" and restart every app that has it.` : `3. Move it to the front ("<${next}>,<what was there>") and restart them again.`,
    `4. "./vane keys rewrap ${ring}" moves what older keys encrypt.`,
    `5. When "./vane keys status" says that an older key can be retired${second ? ', at the earliest an hour after step 3' : ''}, leave it out of ${privately} and restart.`,
  ];
}

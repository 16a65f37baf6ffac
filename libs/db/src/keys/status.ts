import type { Database } from '../database.js';
import { settingsOfRing, RINGS, type Ring } from '../vault/rings.js';
import { VaultError } from '../vault/vault-error.js';
import type { ConfiguredRings } from './configured-rings.js';
import { judgeKeys } from './rotation.js';
import { keyUsage } from './usage.js';

/** One key of a ring: in the ring or not, and what needs it. `state` of one that is needed and not there is `missing`. */
export type KeyStatus = { id: string; state: 'current' | 'older' | 'missing'; uses: Record<string, number>; retirable: boolean; note: string };
export type RingStatus = { ring: Ring; source: string; problem: string | null; keys: KeyStatus[] };

/** Every ring with its keys, what each encrypts, and which nothing needs any more. */
export async function ringStatuses(host: { database: Database; rings: ConfiguredRings; clock: { now(): Date } }): Promise<RingStatus[]> {
  const statuses: RingStatus[] = [];
  for (const ring of RINGS) statuses.push(await ringStatus(host, ring));
  return statuses;
}

async function ringStatus(host: { database: Database; rings: ConfiguredRings; clock: { now(): Date } }, ring: Ring): Promise<RingStatus> {
  const { database, rings, clock } = host;
  const settings = settingsOfRing(ring);
  const source = settings.map((setting) => rings.place(setting)).map(({ source: kind, path }) => path ?? kind).join(', ');
  const usage = await keyUsage(database, ring, clock.now());
  const read = settings.map((setting) => rings.tryRead(setting));
  const problem = read.find((one) => one instanceof VaultError)?.message ?? null;
  const [using, holding] = [read[0]!, read.at(-1)!];
  const all = holding instanceof VaultError ? [] : [...holding.all.keys()];
  const current = using instanceof VaultError ? undefined : using.current.id;
  const { retirable, kept } = problem ? { retirable: [], kept: [] } : await judgeKeys(host, ring);
  const ids = [...new Set([...(current === undefined ? [] : [current]), ...all, ...usage.keys()])];
  const keys = ids.map((id): KeyStatus => ({
    id,
    state: !all.includes(id) ? 'missing' : id === current ? 'current' : 'older',
    uses: usage.get(id) ?? {},
    retirable: retirable.includes(id),
    note: retirable.includes(id) ? 'nothing needs it: it can be retired' : (kept.find((one) => one.id === id)?.reason ?? ''),
  }));
  return { ring, source, problem, keys };
}

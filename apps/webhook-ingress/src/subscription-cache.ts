import { subscriptionChanged } from '@vane/contracts';
import type { AdapterRegistry } from '@vane/adapters';
import type { Database, Vault } from '@vane/db';
import { boundVerifier, compileVerifier, schemeOf, storedHeaderNamesOf, type JsonObject, type TriggerType, type VerificationScheme, type Verifier } from '@vane/kit';
import type { Bus, Clock } from '@vane/runtime';

/** What ingress needs to judge a request: identity, scheme and secrets. Whether to run is decided later. */
export type CachedSubscription = {
  id: string;
  workspaceId: string;
  feedId: string;
  service: string;
  triggerType: string;
  version: number;
  removed: boolean;
  type: TriggerType;
  verify: Verifier;
  headerNames: string[];
};

type Entry = { subscription: CachedSubscription | null; loadedAt: number; rereadAt: number };

export class SubscriptionsUnknown extends Error {}

const FRESH_MS = 10_000;
const UNKNOWN_FRESH_MS = 1_000;
/** How long an entry may still be used when Postgres does not answer. */
const STALE_MS = 600_000;
const REREAD_MS = 2_000;
const MAX_ENTRIES = 50_000;

type Row = {
  id: string; workspace_id: string; feed_id: string; service: string; trigger_type: string;
  want: JsonObject; aux: JsonObject | null; secrets_enc: string; old_secrets_until: Date | null; status: string; version: number;
};

/**
 * Subscriptions by key: a small cache with Postgres behind it, told of changes over the bus, emptied when the bus was
 * away. One load per key at a time.
 */
export class SubscriptionCache {
  private readonly entries = new Map<string, Entry>();
  private readonly loading = new Map<string, Promise<Entry>>();

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly adapters: AdapterRegistry,
    private readonly clock: Clock,
    bus: Bus,
  ) {
    bus.onSignal(subscriptionChanged, ({ key }) => this.entries.delete(key));
    bus.onReconnect(() => this.entries.clear());
  }

  /** Whether this key was asked for lately: only genuine ones ever are. */
  remembers(key: string): boolean {
    return this.entries.has(key);
  }

  /** Null when no subscription has this key. Throws SubscriptionsUnknown when Postgres cannot say. */
  async get(key: string): Promise<CachedSubscription | null> {
    const now = this.clock.now().getTime();
    const entry = this.entries.get(key);
    if (entry && now - entry.loadedAt < (entry.subscription ? FRESH_MS : UNKNOWN_FRESH_MS)) return entry.subscription;
    try {
      return (await this.load(key)).subscription;
    } catch (error) {
      if (entry?.subscription && now - entry.loadedAt < STALE_MS) return entry.subscription;
      throw new SubscriptionsUnknown('The database cannot be asked for this subscription.', { cause: error });
    }
  }

  /** Reads again after a failed verification, at most every two seconds per key; null when it is too soon or no newer. */
  async getNewer(key: string, than: CachedSubscription): Promise<CachedSubscription | null> {
    const now = this.clock.now().getTime();
    const entry = this.entries.get(key);
    if (entry) {
      if (now - entry.rereadAt < REREAD_MS) return null;
      entry.rereadAt = now;
    }
    const { subscription } = await this.load(key);
    return subscription && subscription.version > than.version ? subscription : null;
  }

  private load(key: string): Promise<Entry> {
    let load = this.loading.get(key);
    if (!load) {
      load = this.read(key).finally(() => this.loading.delete(key));
      this.loading.set(key, load);
    }
    return load;
  }

  private async read(key: string): Promise<Entry> {
    const { rows } = await this.database.pool.query<Row>({
      name: 'subscription-by-key',
      text: `SELECT id, workspace_id, feed_id, service, trigger_type, want, aux, secrets_enc, old_secrets_until, status, version
             FROM subscription WHERE key = $1`,
      values: [key],
    });
    const subscription = rows[0] ? await this.compile(rows[0]) : null;
    const now = this.clock.now().getTime();
    const entry: Entry = { subscription, loadedAt: now, rereadAt: this.entries.get(key)?.rereadAt ?? 0 };
    if (this.entries.size >= MAX_ENTRIES) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(key, entry);
    return entry;
  }

  private async compile(row: Row): Promise<CachedSubscription | null> {
    const type = this.adapters.get(row.service)?.triggerTypes[row.trigger_type];
    if (!type) return null;
    const where = { table: 'subscription', row: row.id, column: 'secrets_enc', workspaceId: row.workspace_id };
    const secrets = JSON.parse(await this.vault.decrypt(row.secrets_enc, where)) as string[];
    return {
      id: row.id,
      workspaceId: row.workspace_id,
      feedId: row.feed_id,
      service: row.service,
      triggerType: row.trigger_type,
      version: row.version,
      removed: row.status === 'removed' || row.status === 'removing',
      type,
      verify: boundVerifier(verifierOf(schemeOf(type, row.want), secrets, row.old_secrets_until), type.webhook.bindings ?? [], row),
      headerNames: storedHeaderNamesOf(type, row.want),
    };
  }
}

/**
 * Accepts every secret until `oldUntil` (null: no end is set yet), and from then on the newest alone: by the time of the
 * request, so that an old one ends on time whatever is cached and whoever has not cleaned up.
 */
function verifierOf(scheme: VerificationScheme, secrets: string[], oldUntil: Date | null): Verifier {
  const all = compileVerifier(scheme, secrets);
  if (secrets.length < 2 || !oldUntil) return all;
  const newest = compileVerifier(scheme, secrets.slice(0, 1));
  return (request, now) => (now < oldUntil ? all : newest)(request, now);
}

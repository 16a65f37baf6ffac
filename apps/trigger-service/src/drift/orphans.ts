import type { AdapterRegistry } from '@vane/adapters';
import { VaneError, type CallContext, type deleteOrphan, type InputOf, type Orphan, type Orphans } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { RemoteSubscription, VisibleRemote } from '@vane/kit';
import type { Clock, HookKeys } from '@vane/runtime';
import { toServiceError, toVaneError, type Connections } from '../connections.js';

/** Resources asked about side by side. */
const PARALLEL = 4;
/** After this no further resource is asked about, so that the last answers within the operation's deadline. */
const START_WITHIN_MS = 20_000;

type Feed = { id: string; service: string; trigger_type: string; resource: string };
type Found = { feed: Feed; there: RemoteSubscription };

/**
 * Objects at a service that are ours by their URL, the key in it having been made here, and that no subscription has any
 * more: what a removal that was given up left there, or a database that was put back. What others registered, another
 * installation among them, has no key of ours and is never touched.
 */
export class OrphanFinder {
  constructor(
    private readonly database: Database,
    private readonly connections: Connections,
    private readonly adapters: AdapterRegistry,
    private readonly keys: HookKeys,
    private readonly clock: Clock,
    private readonly publicUrl: string,
  ) {}

  /** For whoever may use the connection. @throws VaneError `not_found`, `forbidden`, `connection_auth_required`, `conflict` */
  async list(workspace: string, connection: string, call: CallContext): Promise<Orphans> {
    await this.connections.usable(workspace, connection, call);
    return this.find(workspace, connection, call);
  }

  /** At every resource that the connection listens or listened to. */
  async find(workspace: string, connection: string, call: CallContext): Promise<Orphans> {
    const queue = this.oncePerList(await this.feeds(workspace, connection));
    const found = new Map<string, Found>();
    const unseen: Orphans['unseen'] = [];
    const stopAt = this.clock.in(START_WITHIN_MS);
    const work = async () => {
      for (let feed = queue.shift(); feed; feed = this.clock.now() < stopAt ? queue.shift() : undefined) {
        try {
          // Two feeds of one resource show an object twice.
          for (const there of await this.listed(workspace, connection, feed, call)) found.set(`${feed.service} ${there.externalId} ${there.callbackUrl}`, { feed, there });
        } catch (error) {
          unseen.push({ resource: feed.resource, message: toServiceError(error).message });
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    const orphans = await this.orphansAmong(workspace, [...found.values()]);
    return { items: orphans.map(viewOf), unseen, unasked: queue.length };
  }

  /** Looks once more, right before it is deleted, that it is an orphan of ours. @throws VaneError */
  async delete({ workspace, connection, feed: feedId, externalId }: InputOf<typeof deleteOrphan>, call: CallContext): Promise<{ ok: true }> {
    await this.connections.usable(workspace, connection, call);
    const feed = (await this.feeds(workspace, connection)).find(({ id }) => id === feedId);
    const remote = feed && this.remoteOf(feed);
    if (!feed || !remote) throw new VaneError('not_found', `The connection ${connection} has no feed ${feedId} whose objects the service shows.`);
    try {
      const http = await this.connections.http(this.adapters.get(feed.service)!, workspace, connection, call);
      const there = await remote.get(http, feed.resource, externalId);
      if (!there) throw new VaneError('not_found', `The service has no ${externalId} at ${feed.resource} any more.`);
      if ((await this.orphansAmong(workspace, [{ feed, there }])).length === 0) {
        throw new VaneError('conflict', 'This is no orphan of ours: it belongs to somebody else, or to a subscription. Delete a trigger to have its subscription removed.');
      }
      await remote.remove(http, feed.resource, externalId, null);
      return { ok: true };
    } catch (error) {
      throw error instanceof VaneError ? error : toVaneError(toServiceError(error));
    }
  }

  private async feeds(workspace: string, connection: string): Promise<Feed[]> {
    const { rows } = await this.database.pool.query<Feed>(
      'SELECT id, service, trigger_type, resource FROM feed WHERE workspace_id = $1 AND connection_id = $2 ORDER BY id DESC', [workspace, connection],
    );
    return rows.filter((feed) => this.remoteOf(feed) !== null);
  }

  private oncePerList(feeds: Feed[]): Feed[] {
    const whole = (feed: Feed) => this.remoteOf(feed)?.listsAll === true;
    return feeds.filter((feed, index) => !whole(feed) || feeds.findIndex((one) => one.service === feed.service && one.trigger_type === feed.trigger_type) === index);
  }

  private remoteOf({ service, trigger_type: type }: Feed): VisibleRemote | null {
    const remote = this.adapters.get(service)?.triggerTypes[type]?.remote;
    return remote?.list ? remote : null;
  }

  private async listed(workspace: string, connection: string, feed: Feed, call: CallContext): Promise<RemoteSubscription[]> {
    const http = await this.connections.http(this.adapters.get(feed.service)!, workspace, connection, call);
    return this.remoteOf(feed)!.list(http, feed.resource);
  }

  private async orphansAmong(workspace: string, found: Found[]): Promise<Found[]> {
    const bases = await this.bases(workspace);
    const ours = found.flatMap((one) => this.keyOf(one.there.callbackUrl, bases).map((key) => ({ ...one, key })));
    // Of all workspaces: another one's subscription at the same resource is alive, and an orphan of its is not ours to show.
    const { rows } = await this.database.pool.query<{ key: string; workspace_id: string; status: string }>(
      'SELECT key, workspace_id, status FROM subscription WHERE key = ANY($1)', [ours.map(({ key }) => key)],
    );
    const kept = new Set(rows.filter(({ workspace_id: owner, status }) => status !== 'removed' || owner !== workspace).map(({ key }) => key));
    return ours.filter(({ key }) => !kept.has(key));
  }

  /** The public URL of now, and those of before that rows know of. */
  private async bases(workspace: string): Promise<string[]> {
    const { rows } = await this.database.pool.query<{ public_url: string }>(
      'SELECT DISTINCT public_url FROM subscription WHERE workspace_id = $1 AND public_url IS NOT NULL', [workspace],
    );
    return [...new Set([this.publicUrl, ...rows.map(({ public_url: url }) => url)].map((url) => `${url.replace(/\/+$/, '')}/hooks/`))];
  }

  private keyOf(url: string | null, bases: readonly string[]): string[] {
    const base = bases.find((one) => url?.startsWith(one));
    const key = base === undefined ? '' : url!.slice(base.length);
    return this.keys.isGenuine(key) ? [key] : [];
  }
}

const viewOf = ({ feed, there }: Found): Orphan => ({
  feed: feed.id, externalId: there.externalId, service: feed.service, resource: feed.resource, active: there.active, fields: there.fields,
});

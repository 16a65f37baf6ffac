import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { getConnectionUses, postNotification, systemCall, type ConnectionUses } from '@vane/contracts';
import { Database, type Connection } from '@vane/db';
import { Bus, Clock, Logger } from '@vane/runtime';
import { isTroubled } from './grant-health.js';
import { PublicUrls } from './public-urls.js';
import { ServiceCatalog } from './service-catalog.js';

/** Triggers named in the text; the rest are counted. */
const NAMED = 20;
const PARALLEL = 4;
/** After this no other is begun, so that who asked for it has time for the rest of its work when others answer slowly. */
const TELL_MS = 10_000;
/** People are told of a token that has been over for so long, when so many refreshes have failed: shorter troubles pass by themselves. */
const EXPIRED_MS = 15 * 60_000;
const EXPIRED_TRIES = 4;

/**
 * Tells the people of a workspace, once each time, that a connection needs a person or works again, and what that means for
 * their triggers. That it is owed is a column of the connection, set with its status, so a crash or an outage only delays it.
 */
@Injectable()
export class ConnectionNotices {
  constructor(
    private readonly database: Database,
    private readonly catalog: ServiceCatalog,
    private readonly bus: Bus,
    private readonly urls: PublicUrls,
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  /** Tells what is owed, longest owed first. Never rejects: what cannot be told now stays owed. */
  async tellDue(limit: number): Promise<void> {
    await this.database.prisma.connection.updateMany({
      where: { status: 'active', reasonCode: 'service_unavailable', refreshFailures: { gte: EXPIRED_TRIES }, expiresAt: { lte: this.clock.in(-EXPIRED_MS) } },
      data: { reasonCode: 'token_expired', noticeDue: true },
    });
    const due = await this.database.prisma.connection.findMany({ where: { noticeDue: true }, orderBy: { statusSince: 'asc' }, take: limit });
    const stopAt = performance.now() + TELL_MS;
    const work = async () => {
      for (let next = due.shift(); next && performance.now() < stopAt; next = due.shift()) await this.attempt(next);
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
  }

  /** Tells about one connection if that is owed. Never rejects. */
  async tell({ id, workspaceId }: Pick<Connection, 'id' | 'workspaceId'>): Promise<void> {
    try {
      const row = await this.database.forWorkspace(workspaceId).connection.findFirst({ where: { id, noticeDue: true } });
      if (row) await this.attempt(row);
    } catch (error) {
      this.logger.warn({ err: error, connectionId: id, workspaceId }, 'notice of a connection cannot be looked up yet');
    }
  }

  private async attempt(row: Connection): Promise<void> {
    const { id, workspaceId, status, statusSince, reasonCode } = row;
    try {
      // Who disconnects an account knows that it is gone.
      if (status !== 'disconnecting') await this.post(row);
      await this.database.forWorkspace(workspaceId).connection.updateMany({ where: { id, statusSince, reasonCode }, data: { noticeDue: false } });
    } catch (error) {
      this.logger.warn({ err: error, connectionId: id, workspaceId }, 'notice of a connection is told later');
    }
  }

  private async post(row: Connection): Promise<void> {
    const { id, workspaceId: workspace, service, accountLabel, reasonCode, statusSince } = row;
    const call = systemCall('oauth-service', randomUUID());
    const uses = await this.bus.ask(getConnectionUses, { workspace, connection: id }, call);
    const since = statusSince.toISOString();
    const troubled = isTroubled(row);
    const say = troubled ? unusable : row.status === 'active' ? worksAgain : needsPerson;
    const said = say(row, uses, this.label(service), this.urls);
    // Of each trouble once for every token that cannot be renewed.
    const occasion = troubled ? `${reasonCode}:${row.generation}` : since;
    const facts = {
      connectionId: id, service, account: accountLabel, since, reasonCode,
      triggers: uses.triggers.map((trigger) => ({ id: trigger.id, name: trigger.name })), triggerCount: uses.triggerCount, heldRuns: uses.heldRuns,
    };
    const link = this.urls.connectionPage(workspace, id);
    await this.bus.ask(postNotification, { workspace, ...said, dedupeKey: `connection:${id}:${occasion}`, link, facts }, call);
  }

  private label(service: string): string {
    return this.catalog.installed(service)?.label ?? service;
  }
}

function needsPerson(row: Connection, uses: ConnectionUses, label: string, urls: PublicUrls) {
  const reason = row.reason ?? 'The connection must be authorised again.';
  const kept = `${counted(uses.heldRuns, 'event is', 'events are')} kept so far; what arrives is kept too, and runs in order once the connection works again.`;
  return {
    kind: 'connection.auth-required',
    severity: 'critical' as const,
    title: `The connection to ${label} as ${row.accountLabel} needs a person`.slice(0, 200),
    text: [
      `Since ${row.statusSince.toISOString()} Vane cannot work at ${label} as ${row.accountLabel}, and makes no more calls there as this account. ${reason}`,
      uses.triggerCount === 0 ? 'No trigger uses it.' : `${counted(uses.triggerCount, 'trigger is', 'triggers are')} held: ${names(uses)}. ${kept}`,
      `To connect the account again, open ${urls.connectionPage(row.workspaceId, row.id)} or call POST ${urls.reconnect(row.workspaceId, row.id)} and open the URL that it answers with.`,
    ].join('\n\n').slice(0, 4_000),
  };
}

/** Its grant may live, but it gets no new token. */
function unusable(row: Connection, uses: ConnectionUses, label: string, urls: PublicUrls) {
  const until = row.expiresAt === null ? 'Its access token stays until the service refuses it.' : `Its access token ends, or ended, at ${row.expiresAt.toISOString()}; without a new one every call fails.`;
  return {
    kind: 'connection.unusable',
    severity: 'critical' as const,
    title: `The connection to ${label} as ${row.accountLabel} gets no new token`.slice(0, 200),
    text: [
      `Vane cannot renew the access to ${label} as ${row.accountLabel}, and goes on trying. ${row.reason ?? ''}`.trim(),
      `${until} ${uses.triggerCount === 0 ? 'No trigger uses it.' : `${counted(uses.triggerCount, 'trigger uses', 'triggers use')} it: ${names(uses)}.`}`,
      `The connection: ${urls.connectionPage(row.workspaceId, row.id)}`,
    ].join('\n\n').slice(0, 4_000),
  };
}

/** Names no number of events: draining may have begun before they are counted. */
function worksAgain(row: Connection, uses: ConnectionUses, label: string) {
  const held = uses.triggerCount === 0 ? 'No trigger uses it.' : `Its triggers (${names(uses)}) work again; events that were kept for them run now, oldest first.`;
  return {
    kind: 'connection.active',
    severity: 'info' as const,
    title: `The connection to ${label} as ${row.accountLabel} works again`.slice(0, 200),
    text: `Since ${row.statusSince.toISOString()} Vane can work at ${label} as ${row.accountLabel} again. ${held}`,
  };
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

function names({ triggers, triggerCount }: ConnectionUses): string {
  const named = triggers.slice(0, NAMED).map(({ name }) => `"${name.slice(0, 100)}"`).join(', ');
  return triggerCount > NAMED ? `${named} and ${triggerCount - NAMED} more` : named;
}

import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  getConnectionUses, postNotification, releaseConnection, systemCall, VaneError, type CallContext, type ConnectionUses, type deleteConnection,
  type finishDisconnections, type InputOf, type OutputOf, type planDisconnection,
} from '@vane/contracts';
import { ServiceError } from '@vane/kit';
import { Bus, Clock, Logger } from '@vane/runtime';
import { requireVisible } from './connection-access.js';
import { ConnectionStore, type ConnectionRow } from './connection-store.js';
import { DisconnectionStore } from './disconnection-store.js';
import { waitsFor } from './disconnection-words.js';
import { isDead } from './grant-health.js';
import { GrantRevoker } from './grant-revoker.js';
import { ServiceCatalog } from './service-catalog.js';
import { RefreshReport } from './token-refresher.js';

/** The caller is answered then; what is left, the schedule goes on with. */
const WAIT_MS = 8_000;
/** Triggers that an error names; the others are counted. */
const NAMED = 20;
const PARALLEL = 4;
/** After this much of a batch no further step is begun, so that the last one ends within the operation's deadline. */
const BATCH_MS = 25_000;

type Answer = OutputOf<typeof deleteConnection>;

/**
 * Disconnects accounts, one committed step after the other: the connection is marked, trigger-service lets go of it, what
 * Vane made at the service is removed there with the connection's token, the grant is revoked, the row goes. Each step can
 * be repeated, so whatever a crash leaves behind, the schedule finishes.
 */
@Injectable()
export class DisconnectionsService {
  constructor(
    private readonly connections: ConnectionStore,
    private readonly store: DisconnectionStore,
    private readonly revoker: GrantRevoker,
    private readonly report: RefreshReport,
    private readonly catalog: ServiceCatalog,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** @throws VaneError `not_found`, `forbidden` */
  async plan({ workspace, connection }: InputOf<typeof planDisconnection>, call: CallContext): Promise<OutputOf<typeof planDisconnection>> {
    const row = await this.visible(workspace, connection, call);
    const [uses, { revokes, why }] = await Promise.all([this.bus.ask(getConnectionUses, { workspace, connection }, call), this.revoker.plan(row)]);
    const { triggerCount, subscriptions, tombstones, heldRuns } = uses;
    const triggers = uses.triggers.map(({ id, name }) => ({ id, name }));
    const awaited = isDead(row) && subscriptions + tombstones > 0 ? ` ${waitsFor(row)}` : '';
    return { triggerCount, triggers, subscriptions, tombstones, heldRuns, revokes, revocation: `${why}${awaited}` };
  }

  /** @throws VaneError `in_use` with the triggers that work with it, unless they are to go too; `not_found`, `forbidden` */
  async disconnect(input: InputOf<typeof deleteConnection>, call: CallContext): Promise<Answer> {
    const { workspace, connection, force } = input;
    const found = await this.visible(workspace, connection, call);
    const triggers = input.triggers === 'delete';
    if (!triggers && !found.disconnectTriggers) await this.refuseUsed(found, call);
    const row = await this.store.begin(found, { triggers, force });
    this.report.changed(row, 'disconnecting');
    const left = await this.within(this.step(row, call));
    if (left === undefined) return { ok: true, state: 'disconnecting', tombstones: 0, message: 'The service has not answered yet. This goes on by itself.' };
    const { state, tombstones, message } = left;
    if (state === 'abandoned') throw inUse(row, await this.bus.ask(getConnectionUses, { workspace, connection }, call));
    return { ok: true, state, tombstones, message };
  }

  /** Goes on with what is due. A step that fails is tried again later, and holds up no other. */
  async finishDue({ limit }: InputOf<typeof finishDisconnections>): Promise<OutputOf<typeof finishDisconnections>> {
    const rows = await this.store.claimDue(limit);
    const more = rows.length === limit;
    const call = systemCall('oauth-service', `disconnect-${randomUUID()}`);
    const stopAt = performance.now() + BATCH_MS;
    const counts = { disconnected: 0, waiting: 0 };
    const work = async () => {
      for (let row = rows.shift(); row && performance.now() < stopAt; row = rows.shift()) {
        const { state } = await this.step(row, call);
        if (state === 'disconnected') counts.disconnected += 1;
        else counts.waiting += 1;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    return { ...counts, more };
  }

  /** Goes as far as it can be gone now. Never rejects. */
  private async step(row: ConnectionRow, call: CallContext): Promise<Left> {
    const { id: connection, workspaceId: workspace, disconnectTriggers: triggers, disconnectForce: force } = row;
    try {
      const { triggers: inTheWay, owed } = await this.bus.ask(releaseConnection, { workspace, connection, triggers, force }, call);
      if (inTheWay > 0) return await this.abandon(row, call);
      if (owed > 0) return await this.wait(row, owed, waitsFor(row));
      const revocation = force ? undefined : await this.revoke(row, call);
      if (revocation === 'overtaken') return await this.again(row, call);
      if (revocation === 'later') return await this.wait(row, 0, 'The service did not revoke the grant yet. It is asked again for an hour.');
      if (!(await this.store.delete(row))) return await this.again(row, call);
      this.report.disconnected(row, call.actor.id);
      return { state: 'disconnected', tombstones: 0, message: revocation ?? null };
    } catch (error) {
      this.logger.warn({ err: error, connectionId: connection, workspaceId: workspace, correlationId: call.correlationId }, 'disconnection goes on later');
      return this.wait(row, 0, 'A part of Vane or the service cannot be reached just now. This goes on by itself.');
    }
  }

  /** What is left to a person after it; undefined when nothing is. */
  private async revoke(read: ConnectionRow, call: CallContext): Promise<'later' | 'overtaken' | string | undefined> {
    // Said before others of the same grant are looked for, so that of two that are disconnected together the later one finds none.
    const until = await this.store.beginRevocation(read);
    // Read again: its tokens may have been renewed for what was removed.
    const row = until && (await this.store.find(read));
    if (!row) return 'overtaken';
    const { revokes, why } = await this.revoker.plan(row);
    if (!revokes) return why;
    try {
      await this.revoker.revoke(row);
      return undefined;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      const { message } = error;
      const facts = { connectionId: row.id, workspaceId: row.workspaceId, service: row.service, kind: error.kind, problem: message };
      if (error.transient && this.clock.now() < until) {
        this.logger.warn(facts, 'grant is revoked later');
        return 'later';
      }
      this.logger.warn(facts, 'grant could not be revoked');
      if (error.transient) await this.tellNotRevoked(row, message, call);
      return `The grant was not revoked: ${message}`;
    }
  }

  private tellNotRevoked(row: ConnectionRow, problem: string, call: CallContext): Promise<unknown> {
    const { id, workspaceId: workspace, service, accountLabel } = row;
    const label = this.catalog.installed(service)?.label ?? service;
    const text = [
      `Vane has disconnected ${accountLabel} and wiped its tokens, but ${label} did not confirm within an hour that the grant is revoked. ${problem}`,
      `Remove Vane at ${label} yourself, among the apps that may use the account.`,
    ].join('\n\n').slice(0, 4_000);
    const title = `A grant at ${label} was not revoked`;
    const facts = { connectionId: id, service, account: accountLabel };
    const notice = { kind: 'connection.not-revoked', severity: 'warning' as const, title, text, facts, link: null };
    return this.bus.ask(postNotification, { workspace, ...notice, dedupeKey: `connection:${id}:not-revoked` }, call);
  }

  private async wait(row: ConnectionRow, tombstones: number, message: string): Promise<Left> {
    try {
      await this.store.later(row);
    } catch (error) {
      // It is taken over when the lease ends.
      this.logger.warn({ err: error, connectionId: row.id }, 'when to go on with a disconnection could not be kept');
    }
    return { state: 'disconnecting', tombstones, message };
  }

  private async abandon(row: ConnectionRow, call: CallContext): Promise<Left> {
    const status = await this.store.abandon(row);
    if (status === null) return this.again(row, call);
    this.report.changed(row, status);
    return { state: 'abandoned', tombstones: 0, message: null };
  }

  /** Somebody has changed the connection since it was read: agreed to more, let it stay, or finished. */
  private async again(read: ConnectionRow, call: CallContext): Promise<Left> {
    const row = await this.store.find(read);
    if (row?.status === 'disconnecting') return this.step(row, call);
    return { state: row ? 'abandoned' : 'disconnected', tombstones: 0, message: null };
  }

  private async refuseUsed(row: ConnectionRow, call: CallContext): Promise<void> {
    const uses = await this.bus.ask(getConnectionUses, { workspace: row.workspaceId, connection: row.id }, call);
    if (uses.triggerCount > 0) throw inUse(row, uses);
  }

  private async visible(workspace: string, id: string, { actor }: CallContext): Promise<ConnectionRow> {
    const row = await this.connections.row(workspace, id);
    requireVisible(row, actor);
    return row;
  }

  /** Undefined when it takes longer; it then goes on all the same. */
  private async within(step: Promise<Left>): Promise<Left | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), WAIT_MS);
    });
    return Promise.race([step, late]).finally(() => clearTimeout(timer));
  }
}

/** `abandoned`: a trigger was made meanwhile that nobody agreed to delete, so the connection stays. */
type Left = Omit<Answer, 'ok' | 'state'> & { state: Answer['state'] | 'abandoned' };

function inUse(row: ConnectionRow, { triggerCount, triggers }: ConnectionUses): VaneError {
  const fields = triggers.slice(0, NAMED).map(({ id, name }) => ({ path: `triggers.${id}`, message: `"${name}" works with it` }));
  const rest = triggerCount > NAMED ? [{ path: 'triggers', message: `and ${triggerCount - NAMED} more` }] : [];
  const [count, them] = triggerCount === 1 ? ['1 trigger', 'it'] : [`${triggerCount} triggers`, 'them'];
  const message = `The connection "${row.name ?? row.accountLabel}" is used by ${count}. Delete ${them} first, or repeat this with triggers=delete.`;
  return new VaneError('in_use', message, { fields: [...fields, ...rest] });
}

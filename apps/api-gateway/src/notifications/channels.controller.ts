import { Controller } from '@nestjs/common';
import {
  createChannel, deleteChannel, getChannel, listChannels, rotateChannelSecret, testChannel, updateChannel, VaneError,
  type ChannelKind, type ChannelView, type InputOf, type OutputOf,
} from '@vane/contracts';
import { Database, newId, pageOf, Vault, type NotificationChannel } from '@vane/db';
import { Clock, Handles, newSigningSecret } from '@vane/runtime';
import { secretCell } from './secret-cell.js';
import { Senders } from './senders.js';

/** Where the notifications of a workspace are sent. */
@Controller()
export class Channels {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly clock: Clock,
    private readonly senders: Senders,
  ) {}

  @Handles(createChannel)
  async create({ workspace, kind, target }: InputOf<typeof createChannel>): Promise<OutputOf<typeof createChannel>> {
    this.senders.of(kind).checkTarget(target);
    const now = this.clock.now();
    const id = newId('channel', now);
    const { secret, secretEnc } = await this.newSecret(workspace, id, kind);
    const data = { id, workspaceId: workspace, kind, target, secretEnc, enabled: true, version: 1, createdAt: now, updatedAt: now };
    return { ...view(await this.database.forWorkspace(workspace).notificationChannel.create({ data })), secret };
  }

  @Handles(listChannels)
  list({ workspace, ...page }: InputOf<typeof listChannels>): Promise<OutputOf<typeof listChannels>> {
    return pageOf(page, (query) => this.database.forWorkspace(workspace).notificationChannel.findMany(query), view);
  }

  @Handles(getChannel)
  async get({ workspace, channel }: InputOf<typeof getChannel>): Promise<ChannelView> {
    return view(await this.find(workspace, channel));
  }

  @Handles(updateChannel)
  async update({ workspace, channel, ifMatch, target, enabled }: InputOf<typeof updateChannel>): Promise<ChannelView> {
    const before = await this.find(workspace, channel);
    if (target !== undefined) this.senders.of(kindOf(before)).checkTarget(target);
    const { count } = await this.database.forWorkspace(workspace).notificationChannel.updateMany({
      where: { id: channel, version: ifMatch },
      data: {
        updatedAt: this.clock.now(),
        version: { increment: 1 },
        ...(target === undefined ? {} : { target }),
        ...(enabled === undefined ? {} : { enabled }),
      },
    });
    if (count === 0) throw new VaneError('precondition_failed', `The channel is at version ${before.version} now. Read it again and repeat your change.`);
    return view(await this.find(workspace, channel));
  }

  @Handles(deleteChannel)
  async delete({ workspace, channel }: InputOf<typeof deleteChannel>): Promise<OutputOf<typeof deleteChannel>> {
    const { count } = await this.database.forWorkspace(workspace).notificationChannel.deleteMany({ where: { id: channel } });
    if (count === 0) throw noSuchChannel();
    return { ok: true };
  }

  @Handles(rotateChannelSecret)
  async rotateSecret({ workspace, channel }: InputOf<typeof rotateChannelSecret>): Promise<OutputOf<typeof rotateChannelSecret>> {
    const { kind } = await this.find(workspace, channel);
    if (kind !== 'webhook') throw new VaneError('conflict', 'A channel of kind email has no signing secret.');
    const { secret, secretEnc } = await this.newSecret(workspace, channel, kind);
    await this.database.forWorkspace(workspace).notificationChannel.updateMany({
      where: { id: channel }, data: { secretEnc, updatedAt: this.clock.now(), version: { increment: 1 } },
    });
    return { ...view(await this.find(workspace, channel)), secret };
  }

  @Handles(testChannel)
  async test({ workspace, channel: id }: InputOf<typeof testChannel>): Promise<OutputOf<typeof testChannel>> {
    const channel = await this.find(workspace, id);
    const now = this.clock.now();
    const result = await this.senders.of(kindOf(channel)).send(
      {
        id: newId('notification', now), workspaceId: workspace, kind: 'notification-channel.test', severity: 'info',
        title: 'A test of this channel', text: 'Somebody tests whether notifications of Vane arrive here. There is nothing to do.',
        link: null, facts: { channel: id }, createdAt: now,
      },
      channel,
    );
    return result.outcome === 'sent' ? { sent: true, error: null } : { sent: false, error: result.error };
  }

  private async find(workspace: string, id: string): Promise<NotificationChannel> {
    const row = await this.database.forWorkspace(workspace).notificationChannel.findFirst({ where: { id } });
    if (!row) throw noSuchChannel();
    return row;
  }

  private async newSecret(workspace: string, id: string, kind: ChannelKind): Promise<{ secret: string | null; secretEnc: string | null }> {
    if (kind !== 'webhook') return { secret: null, secretEnc: null };
    const secret = newSigningSecret();
    return { secret, secretEnc: await this.vault.encrypt(secret, secretCell(workspace, id)) };
  }
}

const noSuchChannel = () => new VaneError('not_found', 'There is no such notification channel in this workspace.');

const kindOf = ({ kind }: NotificationChannel) => kind as ChannelKind;

const view = (row: NotificationChannel): ChannelView => ({
  id: row.id,
  kind: kindOf(row),
  target: row.target,
  enabled: row.enabled,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
  version: row.version,
});

import { Controller } from '@nestjs/common';
import {
  deliverNotifications, getNotification, listNotifications, markAllNotificationsRead, markNotificationRead, postNotification, VaneError,
  type InputOf, type NotificationView, type OutputOf,
} from '@vane/contracts';
import { Database, pageOf, type Notification, type NotificationDelivery } from '@vane/db';
import { Clock, Handles } from '@vane/runtime';
import { Deliverer } from './deliverer.js';
import { NotificationStore } from './notification-store.js';

/** What the people of a workspace are told. */
@Controller()
export class Notifications {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly store: NotificationStore,
    private readonly deliverer: Deliverer,
  ) {}

  @Handles(postNotification)
  async post(input: InputOf<typeof postNotification>): Promise<OutputOf<typeof postNotification>> {
    const id = await this.store.post(input);
    if (id !== undefined) this.deliverer.soon(id);
    return { posted: id !== undefined };
  }

  @Handles(deliverNotifications)
  deliver({ limit }: InputOf<typeof deliverNotifications>): Promise<OutputOf<typeof deliverNotifications>> {
    return this.deliverer.deliver(limit);
  }

  @Handles(listNotifications)
  async list({ workspace, unread, kind, from, ...page }: InputOf<typeof listNotifications>): Promise<OutputOf<typeof listNotifications>> {
    const filter = {
      ...(unread === undefined ? {} : { readAt: unread ? null : { not: null } }),
      ...(kind === undefined ? {} : { kind }),
      ...(from === undefined ? {} : { createdAt: { gte: new Date(from) } }),
    };
    const { notification } = this.database.forWorkspace(workspace);
    return pageOf(page, ({ where, ...query }) => notification.findMany({ ...query, where: { ...filter, ...where } }), view);
  }

  @Handles(getNotification)
  async get({ workspace, notification: id }: InputOf<typeof getNotification>): Promise<OutputOf<typeof getNotification>> {
    const row = await this.database.forWorkspace(workspace).notification.findFirst({
      where: { id },
      include: { deliveries: { include: { channel: { select: { kind: true } } }, orderBy: { channelId: 'asc' } } },
    });
    if (!row) throw noSuchNotification();
    return { ...view(row), deliveries: row.deliveries.map(deliveryView) };
  }

  @Handles(markNotificationRead)
  async markRead({ workspace, notification: id }: InputOf<typeof markNotificationRead>): Promise<NotificationView> {
    const { notification } = this.database.forWorkspace(workspace);
    await notification.updateMany({ where: { id, readAt: null }, data: { readAt: this.clock.now() } });
    const row = await notification.findFirst({ where: { id } });
    if (!row) throw noSuchNotification();
    return view(row);
  }

  @Handles(markAllNotificationsRead)
  async markAllRead({ workspace }: InputOf<typeof markAllNotificationsRead>): Promise<OutputOf<typeof markAllNotificationsRead>> {
    const { notification } = this.database.forWorkspace(workspace);
    const { count } = await notification.updateMany({ where: { readAt: null }, data: { readAt: this.clock.now() } });
    return { marked: count };
  }
}

const noSuchNotification = () => new VaneError('not_found', 'There is no such notification in this workspace.');

const view = (row: Notification): NotificationView => ({
  id: row.id,
  kind: row.kind,
  severity: row.severity as NotificationView['severity'],
  title: row.title,
  text: row.text,
  link: row.link,
  facts: row.facts as NotificationView['facts'],
  createdAt: row.createdAt.toISOString(),
  readAt: row.readAt?.toISOString() ?? null,
});

type DeliveryView = OutputOf<typeof getNotification>['deliveries'][number];

const deliveryView = (row: NotificationDelivery & { channel: { kind: string } }): DeliveryView => ({
  channelId: row.channelId,
  kind: row.channel.kind as DeliveryView['kind'],
  status: row.status as DeliveryView['status'],
  attempts: row.attempts,
  nextAttemptAt: row.nextAttemptAt?.toISOString() ?? null,
  lastError: row.lastError,
  sentAt: row.sentAt?.toISOString() ?? null,
});

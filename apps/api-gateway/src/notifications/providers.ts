import { Vault } from '@vane/db';
import { Clock, EgressClient, Lifecycle, Logger } from '@vane/runtime';
import type { GatewaySettings } from '../config.js';
import { Channels } from './channels.controller.js';
import { Deliverer } from './deliverer.js';
import { DeliveryRows } from './delivery-rows.js';
import { EmailSender } from './email-sender.js';
import { NotificationStore } from './notification-store.js';
import { Notifications } from './notifications.controller.js';
import { Senders } from './senders.js';
import { WebhookSender } from './webhook-sender.js';

export const notificationControllers = [Notifications, Channels];

/** Notifications, for a module that provides the database, the vault and the way out. */
export const notificationProviders = (settings: GatewaySettings) => [
  NotificationStore,
  DeliveryRows,
  {
    provide: Senders,
    inject: [EgressClient, Vault, Clock, Lifecycle],
    useFactory: (egress: EgressClient, vault: Vault, clock: Clock, lifecycle: Lifecycle) => {
      const { VANE_API_GATEWAY_SMTP_URL: url, VANE_API_GATEWAY_SMTP_FROM: from } = settings;
      const email = new EmailSender(url && from ? { url, from } : undefined);
      lifecycle.onStop(() => email.close());
      return new Senders({ webhook: new WebhookSender(egress, vault, clock), email });
    },
  },
  {
    provide: Deliverer,
    inject: [DeliveryRows, Senders, Clock, Logger, Lifecycle],
    useFactory: (rows: DeliveryRows, senders: Senders, clock: Clock, logger: Logger, lifecycle: Lifecycle) => {
      const deliverer = new Deliverer(rows, senders, clock, logger);
      // What it is sending at the end gets the time that senders give themselves.
      lifecycle.onStop(() => deliverer.stop());
      return deliverer;
    },
  },
];

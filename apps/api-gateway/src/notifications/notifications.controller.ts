import { Controller } from '@nestjs/common';
import { postNotification, type InputOf, type OutputOf } from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { NotificationStore } from './notification-store.js';

/** What the people of a workspace are told. */
@Controller()
export class Notifications {
  constructor(private readonly store: NotificationStore) {}

  @Handles(postNotification)
  async post(input: InputOf<typeof postNotification>): Promise<OutputOf<typeof postNotification>> {
    return { posted: (await this.store.post(input)) !== undefined };
  }
}

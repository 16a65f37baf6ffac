import { postNotification, systemCall, type InputOf } from '@vane/contracts';
import { Bus, createLogger } from '@vane/runtime';
import { system, type System } from './system.js';

/** Posts a notification as an app of the system would. */
export async function notify(input: InputOf<typeof postNotification>, { urls, prefix }: Pick<System, 'urls' | 'prefix'> = system()): Promise<void> {
  const bus = Bus.open({ url: urls.nats, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'e2e', level: 'silent' }) });
  try {
    await new Promise<void>((resolve) => bus.whenConnected(() => resolve()));
    await bus.ask(postNotification, input, systemCall('oauth-service', `e2e-${input.dedupeKey}`));
  } finally {
    await bus.close();
  }
}

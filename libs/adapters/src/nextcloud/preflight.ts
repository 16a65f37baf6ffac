import { ServiceError, type PreflightFinding } from '@vane/kit';

const app = { id: 'app', label: 'The app "Webhook Listeners"' } as const;
const admin = { id: 'admin', label: 'Rights to manage webhooks' } as const;

/** What stands in the way of webhooks, by what the list of them says or that it cannot be read. */
export async function preflight(list: () => Promise<unknown>): Promise<PreflightFinding[]> {
  const enabled = { ...app, state: 'ok', message: 'The app is enabled.', fix: null } as const;
  try {
    await list();
    return [enabled, { ...admin, state: 'ok', message: 'The connected account may manage webhooks.', fix: null }];
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const { kind, message } = error;
    const unknown = { ...admin, state: 'unknown', message: 'Whether the connected account may manage webhooks cannot be seen.', fix: null } as const;
    if (kind === 'not_found') return [{ ...app, state: 'failed', message, fix: 'occ app:enable webhook_listeners' }, unknown];
    if (kind !== 'forbidden') return [{ ...app, state: 'unknown', message, fix: null }, unknown];
    const fix = 'Make the account an administrator, or delegate "Webhook Listeners" to it under Administration settings > Administration privileges.';
    return [enabled, { ...admin, state: 'failed', message, fix }];
  }
}

import { Database } from './database.js';

/** The parts of an app that a database reports to; structural, so that this library knows no framework. */
export type DatabaseHost = {
  health: { add(name: string, check: () => Promise<void>): void };
  lifecycle: { onStop(close: () => Promise<void>): void };
  logger: { warn(fields: Record<string, unknown>, message: string): void };
};

/** Opens an app's database: part of its readiness, closed when it stops, lost connections logged. */
export function openDatabase(
  app: string,
  settings: { VANE_DATABASE_URL: string; VANE_DATABASE_CONNECTIONS: number },
  { health, lifecycle, logger }: DatabaseHost,
): Database {
  const database = Database.connect({
    url: settings.VANE_DATABASE_URL,
    applicationName: `vane-${app}`,
    maxConnections: settings.VANE_DATABASE_CONNECTIONS,
    onConnectionLost: (error) => logger.warn({ err: error }, 'connection to postgres lost'),
  });
  health.add('postgres', () => database.ping());
  lifecycle.onStop(() => database.close());
  return database;
}

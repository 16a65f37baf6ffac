import { findServers } from '../launch/find-servers.mjs';

/**
 * The URL of a Postgres server to compare migrations on: the one Vane would use. One that is started for this is left
 * running, recorded in the state directory, for `./vane down` or the next command.
 */
export async function findDatabaseForChecks() {
  const { postgres } = await findServers({ say: () => {} });
  return postgres.url;
}

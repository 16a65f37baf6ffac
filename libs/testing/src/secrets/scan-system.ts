import { EXEMPTIONS } from './exemptions.js';
import { Findings } from './findings.js';
import { keepStored, type Rings } from './keep-stored.js';
import { SecretMatcher } from './matcher.js';
import { keptSecrets } from './registry.js';
import { scanDatabase } from './scan-database.js';
import { scanFiles } from './scan-files.js';
import { scanRedis } from './scan-redis.js';
import { scanStreams } from './scan-streams.js';

/** A whole system of this machine; `dir` is its state directory. */
export type ScannedSystem = { dir: string; prefix: string; urls: { database: string; redis: string; nats: string }; rings: Rings };

/** What of the state directory is looked at: the logs of the apps, and what went through the stream. Its keys and settings are where secrets belong. */
const FOLDERS = ['logs', 'bus'];

/**
 * Looks for every secret that tests have kept, and for all that the database holds encrypted, in the database, the
 * streams, Redis and the logs of a system.
 *
 * @returns how many secrets it looked for
 * @throws Error that names every place and secret, and shows no value
 */
export async function expectNoSecretsInSystem({ dir, prefix, urls, rings }: ScannedSystem): Promise<number> {
  await keepStored(urls.database, rings);
  const matcher = new SecretMatcher(keptSecrets());
  const findings = new Findings(matcher, EXEMPTIONS);
  await scanDatabase(urls.database, findings);
  await scanStreams(urls.nats, prefix, findings);
  await scanRedis(urls.redis, prefix, findings);
  scanFiles(dir, findings, FOLDERS);
  findings.expectNone('the system');
  return matcher.size;
}

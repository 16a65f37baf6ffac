import { EXEMPTIONS } from './exemptions.js';
import { Findings } from './findings.js';
import { SecretMatcher } from './matcher.js';
import { keptSecrets } from './registry.js';
import { scanDatabase } from './scan-database.js';
import { scanRedis } from './scan-redis.js';
import { scanStreams } from './scan-streams.js';

/** @throws Error when a secret that was kept so far stands in the database */
export async function expectNoSecretsInDatabase(url: string): Promise<void> {
  const findings = findingsOfKept();
  if (findings) await scanDatabase(url, findings);
  findings?.expectNone('the database of this test');
}

/** The servers of a test, as far as it uses them, and the prefix under which it does. */
export type TestedServers = { prefix: string; nats?: string; redis?: string };

/** @throws Error when a secret that was kept so far stands in a stream, queue or key with the prefix */
export async function expectNoSecretsUnder({ prefix, nats, redis }: TestedServers): Promise<void> {
  const findings = findingsOfKept();
  if (findings && nats) await scanStreams(nats, prefix, findings);
  if (findings && redis) await scanRedis(redis, prefix, findings);
  findings?.expectNone(`what stands under ${prefix}`);
}

function findingsOfKept(): Findings | undefined {
  const matcher = new SecretMatcher(keptSecrets());
  return matcher.size === 0 ? undefined : new Findings(matcher, EXEMPTIONS);
}

import { randomUUID } from 'node:crypto';
import {
  authorizeConnection, createIntegration, createRunnable, createTrigger, finishAuthorisation, listConnections, listServices, startAuthorisation,
  systemCall, type IntegrationView, type Operation, type OutputOf,
} from '@vane/contracts';
import { newId } from '@vane/db';
import type { z } from 'zod';
import type { Plan } from './plan.js';
import type { House } from './sim-house.js';
import type { World } from './world.js';

const SERVICE = 'google';
const AT_ONCE = 8;

/** One workspace with a connection per account and a trigger per feed; returns the triggers in the order of the plan's feeds. */
export async function settleIn(house: House, plan: Plan, world: World, now: Date, say: (line: string) => void): Promise<string[]> {
  const workspace = newId('workspace', now);
  await house.database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, $3)', [workspace, 'Simulation', now]);
  const ask = <O extends Operation>(operation: O, input: z.input<O['input']>): Promise<OutputOf<O>> =>
    house.bus.ask(operation, input, systemCall('trigger-service', randomUUID()));
  const { items: services } = await ask(listServices, {});
  const hosts = Object.fromEntries(services.find(({ id }) => id === SERVICE)!.hosts.map(({ name }) => [name, house.google.url]));
  const integration = await ask(createIntegration, { workspace, service: SERVICE, name: 'Simulation', ...world.client, hosts });
  for (const email of world.accounts) await authorise(house, ask, { workspace, integration, email });
  const { items: connections } = await ask(listConnections, { workspace, limit: 200 });
  const connectionOf = (email: string) => connections.find(({ accountLabel }) => accountLabel === email)!.id;
  const { id: runnableId } = await ask(createRunnable, {
    workspace, name: 'Nothing', spec: { kind: 'script', language: 'javascript', code: 'export async function main() {}' },
  });
  say(`creating ${plan.feeds.length} triggers over ${world.accounts.length} accounts`);
  const triggers: string[] = [];
  const left = plan.feeds.map((_kind, index) => index);
  const work = async () => {
    for (let index = left.shift(); index !== undefined; index = left.shift()) {
      const { account, type, config } = world.triggerOf(index);
      const made = await ask(createTrigger, {
        workspace, name: `Feed ${index}`, service: SERVICE, type, config, connectionId: connectionOf(account), runnableId,
      });
      triggers[index] = made.id;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return triggers;
}

/** What gateway, browser and service do together, with a consent page that sends the browser back at once. */
async function authorise(
  { google }: House,
  ask: <O extends Operation>(operation: O, input: z.input<O['input']>) => Promise<OutputOf<O>>,
  { workspace, integration, email }: { workspace: string; integration: IntegrationView; email: string },
): Promise<void> {
  google.state.settings.currentAccount = email;
  const { url } = await ask(authorizeConnection, { workspace, integration: integration.id, triggerTypes: ['calendar-events', 'drive-changes', 'drive-file'] });
  const { location, browserToken } = await ask(startAuthorisation, { ticket: url.slice(url.lastIndexOf('/') + 1) });
  const answer = await fetch(location, { redirect: 'manual', headers: { accept: 'text/html' } });
  const back = answer.headers.get('location');
  if (!back?.startsWith(integration.redirectUri)) throw new Error(`The service did not send the browser back: HTTP ${answer.status}.`);
  await ask(finishAuthorisation, { query: new URL(back).search.slice(1), browserToken });
}

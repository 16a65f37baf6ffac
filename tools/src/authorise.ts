import { authorizeConnection, finishAuthorisation, startAuthorisation, type IntegrationView, type Operation, type OutputOf } from '@vane/contracts';
import type { z } from 'zod';
import { Problem } from '../launch/index.mjs';

/** Asks the owner of an operation, over the bus and past the gateway. */
export type Ask = <O extends Operation>(operation: O, input: z.input<O['input']>) => Promise<OutputOf<O>>;

/** Connects an account as gateway, browser and service do together, at a service whose consent page sends the browser back at once. */
export async function authorise(ask: Ask, workspace: string, integration: IntegrationView, triggerTypes: string[] = []): Promise<void> {
  const { url } = await ask(authorizeConnection, { workspace, integration: integration.id, triggerTypes });
  const { location, browserToken } = await ask(startAuthorisation, { ticket: url.slice(url.lastIndexOf('/') + 1) });
  const answer = await fetch(location, { redirect: 'manual', headers: { accept: 'text/html' } });
  const back = answer.headers.get('location');
  if (!back?.startsWith(integration.redirectUri)) throw new Problem(`The service did not send the browser back: HTTP ${answer.status}.`);
  await ask(finishAuthorisation, { query: new URL(back).search.slice(1), browserToken });
}

import { authorizeConnection, createIntegration, listConnections, type ConnectionView, type IntegrationView } from '@vane/contracts';
import { Browser } from './browser.js';
import { system, type System, type Workspace } from './system.js';

export type OAuthParty = { service: string; hosts: Record<string, string>; clientId: string; clientSecret: string };

export function enterIntegration(workspace: Workspace, party: OAuthParty): Promise<IntegrationView> {
  return workspace.api.call(createIntegration, { workspace: workspace.id, name: party.service, ...party });
}

/** What an authorisation asks for beside what is always needed. */
export type Asks = { triggerTypes?: string[]; scopes?: string[]; private?: boolean };

/** The URL that a member opens in a browser to connect an account. */
export async function startUrl(workspace: Workspace, integration: string, asks: Asks = {}): Promise<string> {
  return (await workspace.api.call(authorizeConnection, { workspace: workspace.id, integration, ...asks })).url;
}

export const callbackUrl = (of: Pick<System, 'api'> = system()): string => `${of.api}/oauth/callback`;

/** Walks the whole flow as a person does, and returns the connection it made. */
export async function connectAccount(workspace: Workspace, integration: string, browser: Browser, asks: Asks = {}): Promise<ConnectionView> {
  const before = await connections(workspace);
  const page = await browser.open(await startUrl(workspace, integration, asks));
  if (page.status !== 200) throw new Error(`The authorisation ended with HTTP ${page.status}: ${textOf(page.html)}`);
  const known = new Map(before.map(({ id, updatedAt }) => [id, updatedAt]));
  const made = (await connections(workspace)).find(({ id, updatedAt }) => known.get(id) !== updatedAt);
  if (!made) throw new Error(`The page said "${textOf(page.html)}", and there is no new connection.`);
  return made;
}

export async function connections(workspace: Workspace): Promise<ConnectionView[]> {
  return (await workspace.api.call(listConnections, { workspace: workspace.id, limit: 200 })).items;
}

/** What a person reads on a page. */
export const textOf = (html: string): string =>
  html.replace(/<head>.*?<\/head>/s, ' ').replace(/<[^>]+>/g, ' ').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replace(/\s+/g, ' ').trim();

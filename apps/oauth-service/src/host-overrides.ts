import { VaneError, type ErrorField } from '@vane/contracts';
import type { Adapter } from '@vane/kit';
import { EgressBlocked, type EgressClient } from '@vane/runtime';

type Hosts = Record<string, string>;

/**
 * Checks an integration's overrides of a profile's hosts and returns them without trailing slashes.
 *
 * @throws VaneError `invalid_config` for unknown or missing hosts, `url_not_allowed` for what the egress guard refuses
 */
export function checkHosts(adapter: Pick<Adapter, 'label' | 'hosts'>, given: Hosts, egress: Pick<EgressClient, 'checkUrl'>): Hosts {
  const known = Object.keys(adapter.hosts);
  const fields: ErrorField[] = [];
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) fields.push({ path: `hosts.${name}`, message: `is not a host of ${adapter.label} (${known.join(', ')})` });
  }
  for (const name of known) {
    if (adapter.hosts[name] === null && !given[name]) {
      fields.push({ path: `hosts.${name}`, message: `must be given: the URL of your ${adapter.label}, such as https://${name}.example.com` });
    }
  }
  for (const [name, url] of Object.entries(given)) {
    if (/[?#]/.test(url)) fields.push({ path: `hosts.${name}`, message: 'must have no query and no fragment' });
  }
  const first = fields[0];
  if (first) throw new VaneError('invalid_config', `${first.path} ${first.message}.`, { fields });
  return Object.fromEntries(Object.entries(given).map(([name, url]) => [name, allowed(name, url, egress)]));
}

function allowed(name: string, url: string, egress: Pick<EgressClient, 'checkUrl'>): string {
  try {
    egress.checkUrl(url);
  } catch (error) {
    if (!(error instanceof EgressBlocked)) throw error;
    throw new VaneError('url_not_allowed', error.message, { fields: [{ path: `hosts.${name}`, message: error.message }], cause: error });
  }
  return url.replace(/\/+$/, '');
}

/** What an adapter's setup steps may name: `{redirectUri}`, and `{hosts.NAME}` for a host of its profile. */
const PLACEHOLDER = /\{(redirectUri|hosts\.(\w+))\}/g;

type Profile = { label: string; hosts: Record<string, string | null>; setupSteps: string[] };

/**
 * An adapter's setup steps for a person to read, in order. `redirectUri` and `hosts` are what is known by then; where
 * nothing is known yet, words stand for it.
 */
export function setupSteps({ label, hosts, setupSteps: steps }: Profile, known: { redirectUri?: string; hosts?: Record<string, string> } = {}): string[] {
  const hostUrl = (name: string): string => (known.hosts?.[name] ?? hosts[name] ?? `the address of your ${label}`).replace(/\/+$/, '');
  return steps.map((step) =>
    step.replaceAll(PLACEHOLDER, (_, what: string, host: string | undefined) =>
      what === 'redirectUri' ? (known.redirectUri ?? 'the redirect URI that Vane shows') : hostUrl(host!),
    ),
  );
}

/** What looks like a placeholder in a step and is none: nothing would be filled in. */
export function unknownPlaceholders({ hosts, setupSteps: steps }: Pick<Profile, 'hosts' | 'setupSteps'>): string[] {
  const known = new Set(['{redirectUri}', ...Object.keys(hosts).map((name) => `{hosts.${name}}`)]);
  return steps.flatMap((step) => step.match(/\{[^{}]*\}/g) ?? []).filter((placeholder) => !known.has(placeholder));
}

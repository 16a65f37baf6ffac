import { startNextcloudFake, NEXTCLOUD_CLIENT } from '../demo/nextcloud-fake.js';

/** What the provider itself counted. */
export type ProviderCounts = { tokenRequests: number; reusedRefreshTokens: number };

/** A service whose refresh tokens work once, in a process of its own: Vane's stand-in for Nextcloud. */
export type RefreshProvider = {
  url: string;
  counts(): Promise<ProviderCounts>;
  /** The next token request is served, and its answer never sent. */
  keepNextAnswer(): Promise<void>;
  /** Forgets failed requests, of which ten would lock the token endpoint. */
  forgive(): Promise<void>;
  /** Whether an access token opens the account. */
  accepts(accessToken: string): Promise<boolean>;
  close(): Promise<void>;
};

export const PROVIDER_SERVICE = 'nextcloud';
export const PROVIDER_CLIENT = NEXTCLOUD_CLIENT;

export async function startRefreshProvider(port: number, redirectUri: string): Promise<RefreshProvider> {
  const { url, close } = await startNextcloudFake(port, redirectUri);
  const control = async (path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${url}/__fake/${path}`, body ? { method: 'POST', body: JSON.stringify(body) } : {});
    if (!answer.ok) throw new Error(`The provider answered ${answer.status} to ${path}.`);
    return answer.json();
  };
  return {
    url,
    close,
    counts: async () => (await control('counts')) as ProviderCounts,
    keepNextAnswer: async () => void (await control('faults', { kind: 'timeout', afterWork: true, method: 'POST', path: '/apps/oauth2/api/v1/token' })),
    forgive: async () => void (await control('reset-throttle', {})),
    accepts: async (accessToken) => {
      const answer = await fetch(`${url}/ocs/v2.php/cloud/user?format=json`, { headers: { authorization: `Bearer ${accessToken}` } });
      await answer.arrayBuffer();
      return answer.ok;
    },
  };
}

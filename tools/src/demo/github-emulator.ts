import { newSecret } from '@vane/testing';
import { createEmulator } from 'emulate';

export const GITHUB_LOGIN = 'octocat';
export const GITHUB_REPOSITORY = `${GITHUB_LOGIN}/hello-vane`;
export const OTHER_REPOSITORY = `${GITHUB_LOGIN}/spoon-knife`;
export const GITHUB_CLIENT = { clientId: 'demo-github-client', clientSecret: newSecret('client secret at GitHub') };
/** Octocat's own token, with which the demo looks and acts at GitHub beside Vane. */
const TOKEN = 'demo_octocat_token';

export type GithubHook = { id: number; active: boolean; events: string[]; config: { url: string } };

/** GitHub as https://github.com/vercel-labs/emulate plays it: OAuth pages, REST API and signed webhooks. */
export type GithubEmulator = {
  url: string;
  hooks(repository: string): Promise<GithubHook[]>;
  openIssue(title: string): Promise<{ number: number }>;
  close(): Promise<void>;
};

export async function startGithubEmulator(port: number, redirectUri: string): Promise<GithubEmulator> {
  const emulator = await createEmulator({
    service: 'github',
    port,
    baseUrl: `http://127.0.0.1:${port}`,
    seed: {
      tokens: { [TOKEN]: { login: GITHUB_LOGIN, scopes: ['repo', 'admin:repo_hook'] } },
      github: {
        users: [{ login: GITHUB_LOGIN, name: 'The Octocat' }],
        repos: [
          { owner: GITHUB_LOGIN, name: 'hello-vane', description: 'What the demo listens to' },
          { owner: GITHUB_LOGIN, name: 'spoon-knife' },
        ],
        oauth_apps: [{ client_id: GITHUB_CLIENT.clientId, client_secret: GITHUB_CLIENT.clientSecret, name: 'Vane demo', redirect_uris: [redirectUri] }],
      },
    },
  });
  const ask = async (method: string, path: string, json?: object): Promise<unknown> => {
    const answer = await fetch(`${emulator.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(json ? { body: JSON.stringify(json) } : {}),
    });
    if (!answer.ok) throw new Error(`The emulated GitHub answered ${answer.status} to ${method} ${path}.`);
    return answer.json();
  };
  return {
    url: emulator.url,
    hooks: async (repository) => (await ask('GET', `/repos/${repository}/hooks`)) as GithubHook[],
    openIssue: async (title) => (await ask('POST', `/repos/${GITHUB_REPOSITORY}/issues`, { title })) as { number: number },
    close: () => emulator.close(),
  };
}

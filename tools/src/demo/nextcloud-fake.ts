import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { newSecret } from '@vane/testing';

export const NEXTCLOUD_CLIENT = { clientId: 'demo-nextcloud-client', clientSecret: newSecret('client secret at Nextcloud') };
export const NODE_CREATED = 'OCP\\Files\\Events\\Node\\NodeCreatedEvent';

export type NextcloudHook = { id: number; uri: string; event: string };

/** Vane's stand-in for a Nextcloud server, a process of its own; its admin is signed in and approves what is asked. */
export type NextcloudFake = {
  url: string;
  hooks(): Promise<NextcloudHook[]>;
  /** Does what saving a new file does, and resolves when every hook was called. */
  writeFile(path: string): Promise<void>;
  close(): Promise<void>;
};

export async function startNextcloudFake(port: number, redirectUri: string): Promise<NextcloudFake> {
  const program = fileURLToPath(new URL('../../../libs/adapters/dist/nextcloud/fake/main.js', import.meta.url));
  const child = spawn(process.execPath, [
    program, '--port', String(port), '--client-id', NEXTCLOUD_CLIENT.clientId, '--client-secret', NEXTCLOUD_CLIENT.clientSecret,
    '--redirect-uri', redirectUri, '--auto-approve',
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve((JSON.parse(line) as { url: string }).url));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`The stand-in for Nextcloud ended with code ${code} before it listened.`)));
  });
  const control = async (method: string, path: string, json?: object): Promise<unknown> => {
    const answer = await fetch(`${url}/__fake/${path}`, { method, ...(json ? { body: JSON.stringify(json) } : {}) });
    if (!answer.ok) throw new Error(`The stand-in for Nextcloud answered ${answer.status} to ${method} ${path}.`);
    return answer.json();
  };
  return {
    url,
    hooks: async () => ((await control('GET', 'state')) as { hooks: NextcloudHook[] }).hooks,
    writeFile: async (path) => void (await control('POST', 'write-file', { path, user: 'admin' })),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  authorizeConnection, describeAuthorisation, getConnection, getConnectionUses, listConnections, reconnectConnection, updateConnection, type Actor, type ConnectionView,
} from '@vane/contracts';
import { newId } from '@vane/db';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { answer } from './fixtures/answer.js';
import { newBrowser } from './fixtures/browser.js';
import { API_URL, enterIntegration, finish, openStage, registryOf, walkFrom, type Stage } from './fixtures/oauth-stage.js';
import { openTokenServer, type TokenServer } from './fixtures/token-server.js';

type Asker = Partial<Actor>;

let server: TokenServer;
let stage: Stage;
let integration: string;
let triggerCount: number;
/** Made right after they are counted. */
let triggersMade: number;
let ann: Asker;
let ben: Asker;
let admin: Asker;
const nobody: Asker = { role: 'admin', userId: null };

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(probe) });
  answer(stage, getConnectionUses, () => {
    const counted = triggerCount;
    triggerCount += triggersMade;
    return { triggerCount: counted, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 };
  });
  const person = (role: Actor['role']): Asker => {
    const id = newId('user', stage.clock.now());
    return { kind: 'user', id, userId: id, role, label: `${role}@example.com` };
  };
  [ann, ben, admin] = [person('editor'), person('editor'), person('admin')];
});

beforeEach(async () => {
  server.reset();
  server.tokens.account = `account-${Math.random()}`;
  [triggerCount, triggersMade] = [0, 0];
  integration = (await enterIntegration(stage, probe.id, server.url)).id;
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
});

async function connectAs(asker: Asker, isPrivate: boolean): Promise<ConnectionView> {
  const { url } = await stage.ask(authorizeConnection, { workspace: stage.workspace, integration, private: isPrivate }, asker);
  return finish(stage, await walkFrom(stage, url, newBrowser()));
}
const read = (asker: Asker, connection: string) => stage.ask(getConnection, { workspace: stage.workspace, connection }, asker);
const change = (asker: Asker, { id, version }: ConnectionView, more: { name?: string | null; private?: boolean }) =>
  stage.ask(updateConnection, { workspace: stage.workspace, connection: id, ifMatch: version, ...more }, asker);
const listed = async (asker: Asker) => {
  const { items } = await stage.ask(listConnections, { workspace: stage.workspace, limit: 200 }, asker);
  return items.filter((one) => one.integrationId === integration).map(({ id }) => id);
};

describe('a connection that is private', () => {
  let private_: ConnectionView;
  beforeEach(async () => {
    private_ = await connectAs(ann, true);
  });

  it('belongs to who asked for it, who may use it', async () => {
    expect(private_).toMatchObject({ private: true, ownerId: ann.userId, usable: true });
    expect(await read(ann, private_.id)).toMatchObject({ usable: true });
    expect(await read({ ...ann, kind: 'token', id: 'tok_anns' }, private_.id)).toMatchObject({ usable: true });
  });

  it('is not shown to other editors, nor to tokens of nobody', async () => {
    expect([await listed(ann), await listed(ben), await listed({ ...nobody, role: 'editor' })]).toEqual([[private_.id], [], []]);
    await expect(read(ben, private_.id)).rejects.toMatchObject({ code: 'forbidden', message: expect.stringContaining('private to another member') });
  });

  it('is shown to admins, who cannot use, change or authorise it', async () => {
    expect(await listed(admin)).toEqual([private_.id]);
    expect(await read(admin, private_.id)).toMatchObject({ usable: false, private: true });
    await expect(change(admin, private_, { name: 'mine' })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(change(admin, private_, { private: false })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(stage.ask(reconnectConnection, { workspace: stage.workspace, connection: private_.id }, admin)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('is another connection than the shared one of the same account, and than that of another member', async () => {
    const [shared, bens] = [await connectAs(ann, false), await connectAs(ben, true)];
    expect(new Set([private_.id, shared.id, bens.id]).size).toBe(3);
    expect((await connectAs(ann, true)).id).toBe(private_.id);
    expect((await connectAs(ben, false)).id).toBe(shared.id);
    expect(new Set(await listed(ann))).toEqual(new Set([private_.id, shared.id]));
  });

  it('is shared by its owner', async () => {
    triggerCount = 3;
    const shared = await change(ann, private_, { private: false });
    expect(shared).toMatchObject({ id: private_.id, private: false, ownerId: null, version: private_.version + 1 });
    expect(await read(ben, private_.id)).toMatchObject({ usable: true });
  });

  it('cannot be shared beside a shared one of the same account', async () => {
    await connectAs(ben, false);
    await expect(change(ann, private_, { private: false })).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is not made by a token that belongs to nobody', async () => {
    await expect(connectAs(nobody, true)).rejects.toMatchObject({ code: 'invalid_config', fields: [{ path: 'private' }] });
  });

  it('says so before the browser is sent on', async () => {
    const { url } = await stage.ask(authorizeConnection, { workspace: stage.workspace, integration, private: true }, ann);
    const ticket = url.slice(`${API_URL}/oauth/start/`.length);
    await expect(stage.ask(describeAuthorisation, { ticket })).resolves.toMatchObject({ private: true, actorId: ann.id, actorLabel: ann.label });
  });

  it('cannot be authorised anew by who owned it when that began, and not when it ended', async () => {
    const { url } = await stage.ask(reconnectConnection, { workspace: stage.workspace, connection: private_.id }, ann);
    const opened = await walkFrom(stage, url, newBrowser());
    await change(ann, private_, { private: false });
    await expect(finish(stage, opened)).rejects.toMatchObject({ code: 'oauth_state_invalid' });
  });
});

describe('a connection that is shared', () => {
  let shared: ConnectionView;
  beforeEach(async () => {
    shared = await connectAs(ann, false);
  });

  it('is named by everybody who may use it, and by the label of its account again', async () => {
    expect(shared.name).toBeNull();
    const named = await change(ben, shared, { name: 'The bot' });
    expect(named).toMatchObject({ name: 'The bot', private: false, accountLabel: shared.accountLabel });
    await expect(change(ann, shared, { name: 'Too late' })).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(await change(ann, named, { name: null })).toMatchObject({ name: null });
  });

  it('is taken by an admin, while no trigger uses it', async () => {
    await expect(change(ann, shared, { private: true })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(change(nobody, shared, { private: true })).rejects.toMatchObject({ code: 'invalid_config' });
    triggerCount = 2;
    await expect(change(admin, shared, { private: true })).rejects.toMatchObject({ code: 'in_use', message: expect.stringContaining('2 triggers') });
    triggerCount = 0;
    expect(await change(admin, shared, { private: true })).toMatchObject({ private: true, ownerId: admin.userId, usable: true });
    await expect(read(ann, shared.id)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('is given back when a trigger was made with it while an admin took it', async () => {
    triggersMade = 1;
    await expect(change(admin, shared, { private: true, name: 'Mine' })).rejects.toMatchObject({ code: 'in_use', message: expect.stringContaining('1 trigger,') });
    expect(await read(ann, shared.id)).toMatchObject({ private: false, name: null, usable: true });
  });

  it('stays as it is when it is made what it is already', async () => {
    triggerCount = 1;
    expect(await change(ben, shared, { private: false })).toMatchObject({ private: false, ownerId: null });
  });
});

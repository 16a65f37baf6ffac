import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  acceptInvitation, createInvitation, createToken, createUser, createWorkspace, disableUser, getSession, getWorkspace, listMembers, listWorkspaces, putSecret,
  removeMember, resetPassword, resetUserPassword, revokeSession, listSessions, signIn, signOut, updateMember,
} from '@vane/contracts';
import { ApiClient, newSecret } from '@vane/testing';
import { Person } from './person.js';
import { system } from './system.js';

let root: ApiClient;
let workspace: string;
let admin: Person & { id: string };

beforeAll(async () => {
  const { api, adminToken } = system();
  root = new ApiClient(api, adminToken);
  workspace = (await root.call(createWorkspace, { name: 'people' })).id;
  admin = await Person.join({ workspace, role: 'admin', by: root });
});

const secret = (value = newSecret('A_SECRET')) => ({ workspace, name: 'A_SECRET', value });

describe('somebody who was invited', () => {
  it('chooses a password, is signed in, and signs in again', async () => {
    const { user, memberships } = await admin.signIn();
    expect(user).toEqual({ id: admin.id, email: admin.email, name: 'Somebody', superadmin: false });
    expect(memberships).toEqual([{ workspace, name: 'people', role: 'admin' }]);
    expect((await admin.ask(getSession, {})).json).toMatchObject({ user: { id: admin.id } });
    expect((await admin.ask(listWorkspaces, {})).json['items']).toMatchObject([{ id: workspace }]);
    expect(await new Person(admin.email, 'another password').ask(signIn, { email: admin.email, password: 'another password' })).toMatchObject({
      status: 401, json: { code: 'sign_in_refused' },
    });
  });

  it('can be given another role, which holds at once', async () => {
    const editor = new Person();
    const { json: invitation } = await admin.ask(createInvitation, { workspace, email: editor.email, role: 'editor' });
    const { user } = await editor.accept(String(invitation['token']));
    expect((await editor.ask(putSecret, secret())).status).toBe(200);
    expect((await editor.ask(listMembers, { workspace })).status).toBe(403);
    const changed = await admin.ask(updateMember, { workspace, user: user.id, role: 'operator', ifMatch: 1 });
    expect(changed).toMatchObject({ status: 200, json: { role: 'operator', version: 2 } });
    expect(await editor.ask(putSecret, secret())).toMatchObject({ status: 403, json: { code: 'forbidden' } });
    expect((await editor.ask(getWorkspace, { workspace })).status).toBe(200);
    expect((await admin.ask(removeMember, { workspace, user: user.id })).status).toBe(200);
    expect(await editor.ask(getWorkspace, { workspace })).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });

  it('accepts for a second workspace when signed in, and not before', async () => {
    const second = (await root.call(createWorkspace, { name: 'second' })).id;
    const { token } = await root.call(createInvitation, { workspace: second, email: admin.email, role: 'operator' });
    expect(await new Person(admin.email).ask(acceptInvitation, { token, name: 'x', password: admin.password })).toMatchObject({ status: 401 });
    expect((await admin.ask(acceptInvitation, { token })).status).toBe(201);
    expect((await admin.ask(getWorkspace, { workspace: second })).status).toBe(200);
    expect((await admin.ask(putSecret, { ...secret(), workspace: second })).status).toBe(403);
  });
});

describe('a session', () => {
  it('does nothing for a page of another site', async () => {
    expect(await admin.ask(putSecret, secret(), { 'x-csrf-token': 'guess' })).toMatchObject({ status: 403, json: { code: 'csrf_refused' } });
    expect(await admin.ask(putSecret, secret(), { origin: 'https://evil.example' })).toMatchObject({ status: 403, json: { code: 'csrf_refused' } });
    expect((await admin.ask(putSecret, secret())).status).toBe(200);
  });

  it('ends when its user signs out, or ends it from elsewhere', async () => {
    const elsewhere = new Person(admin.email, admin.password);
    await elsewhere.signIn();
    const items = (await admin.ask(listSessions, {})).json['items'] as { id: string; current: boolean }[];
    expect((await admin.ask(revokeSession, { session: items[0]!.id })).status).toBe(200);
    expect(await elsewhere.ask(getSession, {})).toMatchObject({ status: 401, json: { code: 'unauthenticated' } });
    await elsewhere.signIn();
    const out = await elsewhere.ask(signOut, {});
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0');
    expect((await elsewhere.ask(getSession, {})).status).toBe(401);
    expect((await admin.ask(getSession, {})).status).toBe(200);
  });
});

it('a user is made, chooses a password once, and is out at once when disabled, with every token', async () => {
  const person = new Person();
  const { id } = await root.call(createUser, { email: person.email, name: 'Made' });
  const { token } = await root.call(resetUserPassword, { user: id });
  expect((await person.ask(resetPassword, { token, password: person.password })).status).toBe(200);
  expect((await person.ask(resetPassword, { token, password: person.password })).status).toBe(409);
  await person.signIn();
  const { token: invitation } = await root.call(createInvitation, { workspace, email: person.email, role: 'admin' });
  expect((await person.ask(acceptInvitation, { token: invitation })).status).toBe(201);
  const made = await person.ask(createToken, { workspace, name: 'mine', role: 'editor', scopes: ['secrets:write'] });
  const theirs = new ApiClient(system().api, String(made.json['token']));
  expect((await theirs.send(putSecret, secret())).status).toBe(200);
  expect(await theirs.send(getWorkspace, { workspace })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  await root.call(disableUser, { user: id });
  expect((await theirs.send(putSecret, secret())).status).toBe(401);
  expect((await person.ask(getSession, {})).status).toBe(401);
  await expect(person.signIn()).rejects.toThrow('sign_in_refused');
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createToken, createTrigger, deleteTrigger, exportAudit, listAudit, listInstanceAudit, listTriggers, pauseTrigger, putSecret, updateTrigger,
  type AuditEntryView, type TriggerView,
} from '@vane/contracts';
import { ApiClient, newSecret, requestFor } from '@vane/testing';
import { GithubStage } from './github-stage.js';
import { system } from './system.js';

const SECRET = newSecret('A_SECRET');

let stage: GithubStage;
let workspace: string;
let trigger: TriggerView;
let operator: { id: string; token: string };
let entries: AuditEntryView[];

/** A person's day: connects an account, makes a trigger, changes it, pauses it, removes it. */
beforeAll(async () => {
  stage = await GithubStage.open('audited');
  const { api, id } = stage.workspace;
  workspace = id;
  operator = await api.call(createToken, { workspace, name: 'curious', role: 'operator' });
  await api.call(putSecret, { workspace, name: 'A_SECRET', value: SECRET });
  trigger = await stage.trigger({ name: 'before' });
  await api.call(updateTrigger, { workspace, trigger: trigger.id, ifMatch: trigger.version, name: 'after' });
  await api.send(updateTrigger, { workspace, trigger: trigger.id, ifMatch: trigger.version, name: 'too late' });
  await api.call(pauseTrigger, { workspace, trigger: trigger.id });
  await new ApiClient(api.baseUrl, operator.token).send(deleteTrigger, { workspace, trigger: trigger.id });
  await api.call(deleteTrigger, { workspace, trigger: trigger.id });
  await api.call(listTriggers, { workspace });
  entries = (await api.call(listAudit, { workspace, limit: 200 })).items;
}, 120_000);
afterAll(() => stage?.close());

const ofTrigger = (operation: string) => entries.filter((entry) => entry.operation === operation && entry.targetId === trigger.id);

describe('the audit trail of a workspace', () => {
  it('has every mutation of it, in the order in which they were made, and nothing that only read', () => {
    expect(entries.map(({ operation }) => operation).reverse()).toEqual([
      // Workspace and first token are made by the superadmin.
      'workspaces.create', 'tokens.create', 'runnables.create', 'integrations.create', 'connections.authorize', 'authorisations.finish', 'tokens.create', 'secrets.put',
      'triggers.create', 'triggers.update', 'triggers.update', 'triggers.pause', 'triggers.delete', 'triggers.delete',
    ]);
  });

  it('shows what a change made of an object', () => {
    const [refused, made] = ofTrigger('triggers.update');
    expect(made).toMatchObject({ outcome: 'ok', status: 200, before: { name: 'before' }, after: { name: 'after' }, address: '127.0.0.1' });
    expect(refused).toMatchObject({ outcome: 'precondition_failed', status: 409, before: { name: 'after' }, after: null });
    expect(ofTrigger('triggers.pause')).toMatchObject([{ before: { status: 'enabled' }, after: { status: 'paused' } }]);
  });

  it('shows who was refused, and who removed it', () => {
    const [made, refused] = ofTrigger('triggers.delete');
    expect(refused).toMatchObject({ outcome: 'forbidden', status: 403, actorId: operator.id, actorLabel: 'curious', before: null });
    expect(made).toMatchObject({ outcome: 'ok', actorLabel: 'spec', before: { name: 'after', status: 'paused' }, after: null });
  });

  it('names who asked for a connected account, although a browser brought it', () => {
    const connected = entries.find(({ operation }) => operation === 'authorisations.finish')!;
    expect(connected).toMatchObject({ outcome: 'ok', actorKind: 'token', actorLabel: 'spec', targetId: stage.connection });
  });

  it('holds no secret: no token, no client secret, no key of a hook', () => {
    const text = JSON.stringify(entries);
    const key = trigger.callbackUrl.split('/').at(-1)!;
    for (const secret of [operator.token, stage.workspace.api.token, SECRET, 'fake-github-secret', key]) expect(text).not.toContain(secret);
    expect(text).toContain('***');
  });

  it('is searched and downloaded', async () => {
    const { api } = stage.workspace;
    const found = await api.call(listAudit, { workspace, target: trigger.id, operation: createTrigger.name });
    expect(found.items).toMatchObject([{ operation: 'triggers.create', status: 201, after: { id: trigger.id } }]);
    const { url } = requestFor(exportAudit, { workspace, target: trigger.id });
    const response = await fetch(`${api.baseUrl}/api/v1${url}`, { headers: { authorization: `Bearer ${api.token}` } });
    expect(response.headers.get('content-type')).toContain('text/csv');
    const lines = (await response.text()).trimEnd().split('\r\n');
    expect(lines).toHaveLength(1 + entries.filter(({ targetId }) => targetId === trigger.id).length);
  });

  it('is part of that of the instance, which superadmins alone read', async () => {
    const { api, adminToken } = system();
    const { items } = await new ApiClient(api, adminToken).call(listInstanceAudit, { target: trigger.id });
    expect(items.every(({ workspaceId }) => workspaceId === workspace)).toBe(true);
    expect(items).toHaveLength(6);
    expect((await stage.workspace.api.send(listInstanceAudit, {})).status).toBe(403);
  });
});

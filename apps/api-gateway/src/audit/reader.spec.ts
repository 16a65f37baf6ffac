import { describe, expect, test } from '@jest/globals';
import { OPERATIONS } from '@vane/contracts';
import { isRest, type RestOperation } from '../http/input.js';
import { isNamed, itemOf, readerOf, repliesWithView, targetOf } from './reader.js';

const rest = OPERATIONS.filter(isRest);
const mutations = rest.filter(({ mutates }) => mutates);
const named = (name: string): RestOperation => rest.find((operation) => operation.name === name)!;
const readerName = (operation: RestOperation) => readerOf(operation)?.operation.name;

/** A mutation that reads nothing makes something new in a list, or is one of these. */
const NOTHING_TO_READ: Record<string, string> = {
  'connections.authorize': 'makes a start URL; the connection is made, and recorded, when the browser comes back',
  'notifications.mark-all-read': 'changes all there are',
  'syncs.start': 'makes a sync, which says by itself how far it is',
  'subscriptions.reregister': 'changes subscriptions of every workspace, a wave at a time; the reply counts them',
  'session.change-password': 'a password is not shown in any form',
};
const makesAnItem = ({ http }: RestOperation) => http.method === 'POST' && rest.some((read) => read.http.path === http.path && itemOf(read) !== undefined);

describe('the reader of what a mutation changes', () => {
  test.each(mutations.map((operation) => [operation.name, operation] as const))('%s has one, or a reason', (name, operation) => {
    const reader = readerOf(operation);
    expect({ name, explained: reader !== undefined || operation.access === 'public' || makesAnItem(operation) || name in NOTHING_TO_READ }).toEqual({ name, explained: true });
    if (!reader) return;
    expect(reader.operation.http.method).toBe('GET');
    expect(operation.http.path.startsWith(reader.operation.http.path)).toBe(true);
    // What is read is named by the mutation's path alone.
    for (const parameter of Object.keys(reader.operation.input.shape).filter((one) => reader.operation.http.path.includes(`{${one}}`))) {
      expect(Object.keys(operation.input.shape)).toContain(parameter);
    }
  });

  test('is the longest route that names the object, whatever is done to it', () => {
    for (const name of ['triggers.update', 'triggers.delete', 'triggers.pause', 'triggers.resume']) expect(readerName(named(name))).toBe('triggers.get');
    expect(readerName(named('runs.replay'))).toBe('runs.get');
  });

  test('is the list where an object has no route of its own', () => {
    expect(readerName(named('tokens.revoke'))).toBe('tokens.list');
    expect(readerName(named('secrets.put'))).toBe('secrets.list');
    expect(isNamed({ id: 'tok_1' }, 'token', 'tok_1')).toBe(true);
    expect(isNamed({ name: 'A', updatedAt: '' }, 'name', 'A')).toBe(true);
    expect(isNamed({ userId: 'usr_1', id: 'other', user: {} }, 'user', 'usr_1')).toBe(true);
    expect(isNamed({ userId: 'usr_1' }, 'user', 'usr_2')).toBe(false);
    expect(isNamed({}, 'user', undefined)).toBe(false);
  });

  test('is none where something new is made, in a workspace or in the instance', () => {
    for (const name of ['triggers.create', 'workspaces.create', 'connections.authorize']) expect(readerName(named(name))).toBeUndefined();
  });

  test('is not asked again where the reply is the object', () => {
    const replies = (name: string) => repliesWithView(named(name), readerOf(named(name))!);
    expect([replies('triggers.update'), replies('triggers.pause'), replies('secrets.put')]).toEqual([true, true, true]);
    expect([replies('triggers.delete'), replies('tokens.revoke'), replies('runnables.delete')]).toEqual([false, false, false]);
  });
});

test('the target of a mutation is what its path names last, and not the workspace in which something is made', () => {
  expect(targetOf(named('triggers.pause'), { workspace: 'wsp_1', trigger: 'trg_1' })).toBe('trg_1');
  expect(targetOf(named('triggers.create'), { workspace: 'wsp_1' })).toBeNull();
  expect(targetOf(named('workspaces.get'), { workspace: 'wsp_1' })).toBe('wsp_1');
  expect(targetOf(named('workspaces.create'), { name: 'x' })).toBeNull();
});

import { describe, expect, it } from '@jest/globals';
import type { AdapterRegistry } from '@vane/adapters';
import type { CallContext } from '@vane/contracts';
import type { Adapter } from '@vane/kit';
import type { Connections } from '../connections.js';
import { ServicesController } from './services.controller.js';

const page = { items: [{ value: '1', label: 'one' }], next: null };
const triggerTypes = { push: { label: 'Push', scopes: ['hooks'], pickers: { repository: { field: 'repository', pick: async () => page } } } };
const adapter = { id: 'acme', label: 'Acme', oauth: {}, triggerTypes } as unknown as Adapter;
const registry = { get: () => adapter } as unknown as AdapterRegistry;
let scopes = ['hooks'];
const connections = { usable: async () => ({ id: 'c', service: 'acme', scopes }), http: async () => ({}) } as unknown as Connections;
const call: CallContext = { correlationId: 'spec', actor: { kind: 'token', id: 'tok_spec', role: 'admin', userId: null, label: 'test' } };

const pick = (triggerType: string, picker: string) =>
  new ServicesController(registry, connections).pick({ workspace: 'w', connection: 'c', triggerType, picker }, call);

describe('picking a value for a config field', () => {
  it('asks the picker of that name', async () => {
    await expect(pick('push', 'repository')).resolves.toEqual(page);
  });

  it('is not asked of a service that has not granted what the trigger type needs', async () => {
    scopes = [];
    await expect(pick('push', 'repository')).rejects.toMatchObject({ code: 'scopes_missing', message: expect.stringContaining('hooks') });
    scopes = ['hooks'];
  });

  it.each([
    ['push', 'constructor'],
    ['push', '__proto__'],
    ['push', 'toString'],
    ['constructor', 'repository'],
    ['__proto__', 'pickers'],
    ['push', 'other'],
  ])('knows no picker %s/%s', async (triggerType, picker) => {
    await expect(pick(triggerType, picker)).rejects.toMatchObject({ code: 'not_found' });
  });
});

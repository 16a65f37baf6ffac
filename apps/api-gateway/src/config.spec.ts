import { expect, test } from '@jest/globals';
import { gatewaySettings } from './config.js';

const complete = { VANE_NATS_URL: 'nats://127.0.0.1:4222', VANE_DATABASE_URL: 'postgres://127.0.0.1/x', VANE_API_URL: 'http://127.0.0.1:1', PORT: '1' };

test('the gateway needs to know its database, its bus, its port and where it is reached', () => {
  expect(gatewaySettings(complete)).toMatchObject({ PORT: 1, VANE_PREFIX: 'vane' });
  for (const name of Object.keys(complete)) expect(() => gatewaySettings({ ...complete, [name]: undefined })).toThrow(name);
});

test('a bootstrap token that could be guessed is refused, and not repeated', () => {
  const weak = () => gatewaySettings({ ...complete, VANE_BOOTSTRAP_TOKEN: 'vat_letmein' });
  expect(weak).toThrow('VANE_BOOTSTRAP_TOKEN: must be vat_');
  expect(weak).not.toThrow('letmein');
});

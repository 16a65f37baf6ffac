import { expect, test } from '@jest/globals';
import { gatewaySettings, oidcOf } from './config.js';

const complete = {
  VANE_KEYS_ACCESS: 'k1:x', VANE_NATS_URL: 'nats://127.0.0.1:4222', VANE_DATABASE_URL: 'postgres://127.0.0.1/x', VANE_API_URL: 'http://127.0.0.1:1', PORT: '1',
};

test('the gateway needs to know its database, its bus, its port and where it is reached', () => {
  expect(gatewaySettings(complete)).toMatchObject({ PORT: 1, VANE_PREFIX: 'vane' });
  for (const name of Object.keys(complete)) expect(() => gatewaySettings({ ...complete, [name]: undefined })).toThrow(name);
});

test('a bootstrap token that could be guessed is refused, and not repeated', () => {
  const weak = () => gatewaySettings({ ...complete, VANE_BOOTSTRAP_TOKEN: 'vat_letmein' });
  expect(weak).toThrow('VANE_BOOTSTRAP_TOKEN: must be vat_');
  expect(weak).not.toThrow('letmein');
});

test('an identity provider is set as a whole, and spoken to over https in production', () => {
  const oidc = {
    VANE_API_GATEWAY_OIDC_ISSUER: 'http://id.example.com', VANE_API_GATEWAY_OIDC_CLIENT_ID: 'vane', VANE_API_GATEWAY_OIDC_CLIENT_SECRET: 'letmein',
    VANE_API_GATEWAY_OIDC_LABEL: 'Example ID',
  };
  expect(oidcOf(gatewaySettings({ ...complete, ...oidc }))).toEqual({ issuer: 'http://id.example.com', clientId: 'vane', clientSecret: 'letmein', label: 'Example ID' });
  expect(oidcOf(gatewaySettings({ ...complete, VANE_API_GATEWAY_OIDC_ISSUER: '', VANE_API_GATEWAY_OIDC_LABEL: '' }))).toBeNull();
  for (const name of Object.keys(oidc)) expect(() => gatewaySettings({ ...complete, ...oidc, [name]: '' })).toThrow('belong together');
  const open = () => oidcOf({ ...gatewaySettings({ ...complete, ...oidc }), VANE_ENV: 'production' });
  expect(open).toThrow('must be an https:// URL in production');
  expect(open).not.toThrow('letmein');
});

test('a mail server and the address that mail comes from are set together', () => {
  const mail = { VANE_API_GATEWAY_SMTP_URL: 'smtps://user:letmein@mail.example.com', VANE_API_GATEWAY_SMTP_FROM: 'vane@example.com' };
  expect(gatewaySettings({ ...complete, ...mail })).toMatchObject(mail);
  expect(gatewaySettings({ ...complete, VANE_API_GATEWAY_SMTP_URL: '', VANE_API_GATEWAY_SMTP_FROM: '' }).VANE_API_GATEWAY_SMTP_URL).toBeUndefined();
  for (const name of Object.keys(mail)) expect(() => gatewaySettings({ ...complete, ...mail, [name]: undefined })).toThrow('belong together');
  const wrong = () => gatewaySettings({ ...complete, ...mail, VANE_API_GATEWAY_SMTP_URL: 'http://user:letmein@mail.example.com' });
  expect(wrong).toThrow('VANE_API_GATEWAY_SMTP_URL: must be smtp://');
  expect(wrong).not.toThrow('letmein');
});

import { parseArgs } from 'node:util';
import { startGoogleFake } from './server.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'client-id': { type: 'string' },
    'client-secret': { type: 'string' },
    'redirect-uri': { type: 'string', multiple: true },
    accounts: { type: 'string' },
    'auto-approve': { type: 'boolean', default: false },
    'allow-http': { type: 'boolean', default: false },
    hold: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    now: { type: 'string' },
  },
});

const fake = await startGoogleFake({
  port: Number(values.port),
  client: {
    ...(values['client-id'] === undefined ? {} : { clientId: values['client-id'] }),
    ...(values['client-secret'] === undefined ? {} : { clientSecret: values['client-secret'] }),
    ...(values['redirect-uri'] === undefined ? {} : { redirectUris: values['redirect-uri'] }),
  },
  ...(values.accounts === undefined ? {} : { accounts: values.accounts.split(',').map((email) => ({ email })) }),
  settings: { autoApprove: values['auto-approve'], allowHttp: values['allow-http'], hold: values.hold },
  seed: Number(values.seed),
  ...(values.now === undefined ? {} : { now: values.now }),
});
process.stdout.write(`${JSON.stringify({ url: fake.url, pid: process.pid })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void fake.close());

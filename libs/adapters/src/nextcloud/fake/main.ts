import { parseArgs } from 'node:util';
import { startNextcloudFake } from './server.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'client-id': { type: 'string' },
    'client-secret': { type: 'string' },
    'redirect-uri': { type: 'string' },
    'auto-approve': { type: 'boolean', default: false },
  },
});

const fake = await startNextcloudFake({
  port: Number(values.port),
  client: {
    ...(values['client-id'] === undefined ? {} : { clientId: values['client-id'] }),
    ...(values['client-secret'] === undefined ? {} : { clientSecret: values['client-secret'] }),
    ...(values['redirect-uri'] === undefined ? {} : { redirectUri: values['redirect-uri'] }),
  },
  settings: { autoApprove: values['auto-approve'] },
});
process.stdout.write(`${JSON.stringify({ url: fake.url, pid: process.pid })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void fake.close());

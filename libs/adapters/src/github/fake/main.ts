import { parseArgs } from 'node:util';
import { startGithubFake } from './server.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'client-id': { type: 'string' },
    'client-secret': { type: 'string' },
    'callback-url': { type: 'string' },
    'auto-approve': { type: 'boolean', default: false },
    repos: { type: 'string' },
  },
});

const fake = await startGithubFake({
  port: Number(values.port),
  app: {
    ...(values['client-id'] === undefined ? {} : { clientId: values['client-id'] }),
    ...(values['client-secret'] === undefined ? {} : { clientSecret: values['client-secret'] }),
    ...(values['callback-url'] === undefined ? {} : { callbackUrl: values['callback-url'] }),
  },
  ...(values.repos === undefined ? {} : { repos: values.repos.split(',') }),
  settings: { autoApprove: values['auto-approve'] },
});
process.stdout.write(`${JSON.stringify({ url: fake.url, pid: process.pid })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void fake.close());

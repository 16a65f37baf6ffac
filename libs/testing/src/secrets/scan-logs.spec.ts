import { expect, it } from '@jest/globals';
import { createLogger } from '@vane/runtime';
import { newSecret } from './registry.js';
import { WatchedLogs } from './scan-logs.js';

it('finds a canary in what was logged, at whatever level, and never shows it', () => {
  const logs = new WatchedLogs();
  expect(() => logs.expectNoSecrets()).toThrow('Nothing was logged');
  const canary = newSecret('the canary');
  const logger = createLogger({ app: 'spec', level: 'silent' });
  logger.debug({ token: canary }, 'masked');
  logs.expectNoSecrets();
  logger.debug({ err: new Error(`refused ${canary}`) }, 'refused');
  expect(() => logs.expectNoSecrets()).toThrow('log holds the canary (plain)');
  expect(() => logs.expectNoSecrets()).not.toThrow(canary);
});

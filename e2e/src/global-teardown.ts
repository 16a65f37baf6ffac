import { dirname } from 'node:path';
import { dropDatabase, readState, stopSupervisor } from '../../tools/launch/index.mjs';
import { removeTraces } from './traces.js';

export default async function teardown(): Promise<void> {
  const file = process.env.VANE_E2E_SYSTEM;
  if (!file) return;
  const dir = dirname(file);
  const urls = readState(dir).supervisor?.urls;
  await stopSupervisor(dir);
  if (urls) await removeTraces(urls, file);
  if (urls) await dropDatabase(urls.database);
}

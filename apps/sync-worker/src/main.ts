import { runMain, startApp } from '@vane/runtime';
import { AppModule } from './app.module.js';
import { readSyncWorkerSettings } from './config.js';
import { SyncWorker } from './sync-worker.js';

runMain('sync-worker', async () => {
  const settings = readSyncWorkerSettings();
  const app = await startApp({ name: 'sync-worker', settings, module: AppModule.with(settings) });
  await app.get(SyncWorker).start();
});

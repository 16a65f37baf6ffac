import { runMain, startApp } from '@vane/runtime';
import { AppModule } from './app.module.js';
import { readRunWorkerSettings } from './config.js';
import { RunWorker } from './run-worker.js';

runMain('run-worker', async () => {
  const settings = readRunWorkerSettings();
  const app = await startApp({ name: 'run-worker', settings, module: AppModule.with(settings) });
  app.get(RunWorker).start();
});

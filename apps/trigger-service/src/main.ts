import { runMain, startApp } from '@vane/runtime';
import { AppModule } from './app.module.js';
import { readTriggerSettings } from './config.js';

runMain('trigger-service', () => {
  const settings = readTriggerSettings();
  return startApp({ name: 'trigger-service', settings, module: AppModule.with(settings) });
});

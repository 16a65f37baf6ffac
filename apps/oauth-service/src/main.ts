import { runMain, startApp } from '@vane/runtime';
import { AppModule } from './app.module.js';
import { readConfig } from './config.js';

runMain('oauth-service', () => {
  const settings = readConfig();
  return startApp({ name: 'oauth-service', settings, module: AppModule.with(settings) });
});

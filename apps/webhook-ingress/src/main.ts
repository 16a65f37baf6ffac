import { runMain, startApp } from '@vane/runtime';
import { AppModule } from './app.module.js';
import { HOOK_LIMITS, readIngressSettings } from './config.js';
import { HookEndpoint } from './hook-endpoint.js';
import { Receiver } from './receiver.js';

runMain('webhook-ingress', () => {
  const settings = readIngressSettings();
  return startApp({
    name: 'webhook-ingress',
    settings,
    module: AppModule.with(settings),
    front: (app, closing) => new HookEndpoint(app.get(Receiver), HOOK_LIMITS, closing).answer,
  });
});

import { runMain, startApp } from '@vane/runtime';
import { AppModule } from './app.module.js';
import { readIngressSettings } from './config.js';
import { Receiver } from './receiver.js';
import { addHookRoutes } from './routes.js';

runMain('webhook-ingress', () => {
  const settings = readIngressSettings();
  return startApp({
    name: 'webhook-ingress',
    settings,
    module: AppModule.with(settings),
    routes: (fastify, app) => addHookRoutes(fastify, app.get(Receiver)),
  });
});

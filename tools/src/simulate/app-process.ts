import { Bus, EgressClient, readSettings, runMain, startApp, type Front } from '@vane/runtime';
import pg from 'pg';
import type { FromApp, SimulatedApp, ToApp } from './app-messages.js';
import { SimClock } from './sim-clock.js';

/**
 * An app of Vane, bundled with this file so that both mean the same classes (simulated-apps.ts), with two things of ours: its clock is moved by whoever started it, and it kills itself with
 * SIGKILL at an await of its own: before or after a statement, a call to a service, or a question over the bus.
 */
const [app, now] = process.argv.slice(2) as [SimulatedApp, string];
const clock = new SimClock(new Date(now));

/** Awaits left until the end; infinite while nobody wants it to die. */
let left = Number.POSITIVE_INFINITY;

function passAwait(): void {
  left -= 1;
  if (left < 0) process.kill(process.pid, 'SIGKILL');
}

/** Counts both sides of every call of a method that answers later. */
function countAwaits(prototype: object, method: string): void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>;
  const original = methods[method]!;
  methods[method] = function counted(this: unknown, ...args: unknown[]) {
    passAwait();
    const result = original.apply(this, args);
    return result instanceof Promise ? result.finally(passAwait) : result;
  };
}

countAwaits(pg.Client.prototype, 'query');
countAwaits(pg.Pool.prototype, 'query');
countAwaits(EgressClient.prototype, 'request');
countAwaits(Bus.prototype, 'ask');

const tell = (message: FromApp) => process.send!(message);

process.on('message', (message: ToApp) => {
  if (message.kind === 'clock') clock.set(new Date(message.now));
  else left = message.afterAwaits;
  tell({ kind: 'done', id: message.id });
});
process.on('disconnect', () => process.exit(0));

const load = async (file: string): Promise<Record<string, unknown>> => import(new URL(`./${app}/${file}.js`, import.meta.url).href);

runMain(app, async () => {
  const [{ AppModule }, { settingsShape }] = (await Promise.all([load('app.module'), load('config')])) as [
    { AppModule: { with(settings: unknown, clock: SimClock | { clock: SimClock }): never } },
    { settingsShape: Parameters<typeof readSettings>[0] },
  ];
  const settings = readSettings(settingsShape, process.env) as unknown as Parameters<typeof startApp>[0]['settings'];
  const module = AppModule.with(settings, app === 'oauth-service' ? { clock } : clock);
  if (app !== 'webhook-ingress') await startApp({ name: app, settings, module });
  else {
    const [{ HookEndpoint }, { Receiver }, { HOOK_LIMITS }] = (await Promise.all([load('hook-endpoint'), load('receiver'), load('config')])) as [
      { HookEndpoint: new (receiver: unknown, limits: unknown, closing: () => boolean) => { answer: Front } },
      { Receiver: never },
      { HOOK_LIMITS: unknown },
    ];
    await startApp({ name: app, settings, module, front: (nest, closing) => new HookEndpoint(nest.get(Receiver), HOOK_LIMITS, closing).answer });
  }
  tell({ kind: 'ready' });
});

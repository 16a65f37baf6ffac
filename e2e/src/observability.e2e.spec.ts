import { beforeAll, describe, expect, it } from '@jest/globals';
import { APPS, getDelivery, getEvent, getRun, getTrigger, OPERATIONS } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { allLogs, counterOf, logLines, portsOf } from './instance-files.js';
import { postSigned } from './posting.js';
import { system, Workspace } from './system.js';

type Endpoint = { app: string; port: number };
const endpoints = (): Endpoint[] => APPS.flatMap((app) => portsOf(system().dir, app).map((port) => ({ app, port })));

describe('every process of every app', () => {
  it.each(APPS)('%s says that it lives and is ready, and what it needs for that', async (app) => {
    const ports = portsOf(system().dir, app);
    expect(ports).toHaveLength(app === 'webhook-ingress' ? 2 : 1);
    for (const port of ports) {
      const alive = await fetch(`http://127.0.0.1:${port}/healthz`);
      expect([alive.status, await alive.json()]).toEqual([200, { ok: true }]);
      const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
      const { ok, needs } = (await ready.json()) as { ok: boolean; needs: Record<string, string | null> };
      expect([ready.status, ok]).toEqual([200, true]);
      expect(Object.keys(needs)).toContain('nats');
      expect(Object.values(needs)).toEqual(Object.keys(needs).map(() => null));
    }
  });

  it('gives its figures in the form that Prometheus reads', async () => {
    for (const { app, port } of endpoints()) {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
      const text = await answer.text();
      expect([app, answer.status, answer.headers.get('content-type')]).toEqual([app, 200, expect.stringContaining('text/plain')]);
      const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      for (const sample of samples) expect(sample).toMatch(/^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)( [0-9]+)?$/);
      expect(samples.some((sample) => sample.startsWith('process_cpu_seconds_total'))).toBe(true);
    }
  });

  it('logs lines of JSON with its name, level and time', async () => {
    for (const app of APPS) {
      const lines = logLines(system().dir, app);
      expect(lines.filter(({ msg }) => msg === 'app started')).toHaveLength(portsOf(system().dir, app).length);
      for (const line of lines) expect(line).toMatchObject({ app, level: expect.any(Number), time: expect.any(Number), msg: expect.any(String) });
    }
  });
});

describe('one delivery', () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await Workspace.create('observed');
  });

  it('can be followed from ingress to the end of its run by one id', async () => {
    const script = await workspace.script('export async function main() { return "done"; }');
    const hook = await workspace.genericTrigger(script, { scheme: 'standard-webhooks' });
    expect(await postSigned(hook.callbackUrl, hook.secret!, 'msg_1', { n: 1 })).toBe(200);
    const [run] = await workspace.endedRuns(hook.id, 1);
    const event = await workspace.api.call(getEvent, { workspace: workspace.id, event: run!.eventId });
    const delivery = await workspace.api.call(getDelivery, { workspace: workspace.id, delivery: event.deliveryId! });
    expect(delivery.events.map(({ id }) => id)).toEqual([run!.eventId]);
    expect(run!.correlationId).toBe(delivery.id);
    const found = (app: string) =>
      logLines(system().dir, app).filter(({ correlationId, correlationIds }) => correlationId === delivery.id || (correlationIds as string[] | undefined)?.includes(delivery.id));
    for (const app of ['webhook-ingress', 'trigger-service', 'run-worker']) {
      const lines = await eventually(`a line of ${app}`, async () => (found(app).length > 0 ? found(app) : undefined));
      expect(lines.length).toBeGreaterThan(0);
    }
    expect(found('run-worker').at(-1)).toMatchObject({ runId: run!.id, status: 'succeeded' });
    expect(await workspace.api.call(getRun, { workspace: workspace.id, run: run!.id })).toMatchObject({ correlationId: delivery.id });
  });

  it('is counted where it passed', async () => {
    const { dir } = system();
    const counts = async () => ({
      ingress: await counterOf(dir, 'webhook-ingress', 'vane_ingress_requests_total', { service: 'generic-webhook', outcome: 'accepted' }),
      event: await counterOf(dir, 'trigger-service', 'vane_intake_total', { kind: 'event' }),
      run: await counterOf(dir, 'trigger-service', 'vane_intake_total', { kind: 'run' }),
    });
    const script = await workspace.script('export async function main() {}');
    const hook = await workspace.genericTrigger(script, { scheme: 'standard-webhooks' });
    const before = await counts();
    for (const id of ['msg_1', 'msg_2', 'msg_1']) expect(await postSigned(hook.callbackUrl, hook.secret!, id, {})).toBe(200);
    await workspace.deliveries(hook.id, 3);
    await workspace.endedRuns(hook.id, 2);
    expect(await counts()).toEqual({ ingress: before.ingress + 3, event: before.event + 2, run: before.run + 2 });
  });
});

describe('one request of the API', () => {
  it('carries the id that its caller gave it into the answer, the problem and the log', async () => {
    const workspace = await Workspace.create('asked');
    const id = `caller-${workspace.id}`;
    const answer = await workspace.api.send(getTrigger, { workspace: workspace.id, trigger: 'trg_none' }, { 'x-request-id': id });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found', requestId: id } });
    expect(answer.headers.get('x-request-id')).toBe(id);
    const lines = await eventually('a line of the gateway', async () => {
      const found = logLines(system().dir, 'api-gateway').filter(({ correlationId }) => correlationId === id);
      return found.length > 0 ? found : undefined;
    });
    expect(lines[0]).toMatchObject({ operation: 'triggers.get', status: 404, route: expect.stringContaining('/:trigger') });
    expect(allLogs(system().dir)).not.toContain(workspace.api.token);
  });
});

it('describes every route in an OpenAPI document that needs no token', async () => {
  const answer = await fetch(`${system().api}/api/v1/openapi.json`);
  expect(answer.status).toBe(200);
  const document = (await answer.json()) as { openapi: string; paths: Record<string, Record<string, { operationId: string; responses: object }>> };
  expect(document.openapi).toMatch(/^3\.1/);
  const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const routes = OPERATIONS.flatMap(({ http }) => (http ? [`${http.method} ${http.path}`] : []));
  for (const route of routes) expect(described.some((one) => one === route || one === route.replace(' ', ' /api/v1'))).toBe(true);
});

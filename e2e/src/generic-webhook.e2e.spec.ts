import { beforeAll, describe, expect, it } from '@jest/globals';
import { getRun } from '@vane/contracts';
import { Webhook } from 'standardwebhooks';
import { startHttpReceiver } from '@vane/testing';
import { Workspace } from './system.js';

describe('a signed event from anything that can POST', () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await Workspace.create('generic');
  });

  it('runs a script with the payload, and its result is there to read', async () => {
    const script = await workspace.script(
      'export async function main(event, ctx) { console.log("got", event.type); return { doubled: event.payload.data.n * 2, attempt: ctx.run.attempt }; }',
    );
    const trigger = await workspace.genericTrigger(script, { scheme: 'standard-webhooks' });
    const body = JSON.stringify({ type: 'number.made', timestamp: new Date().toISOString(), data: { n: 21 } });
    const answer = await post(trigger.callbackUrl, trigger.secret!, body, 'msg_1');
    expect(answer.status).toBe(200);
    const [run] = await workspace.endedRuns(trigger.id, 1);
    expect(run).toMatchObject({ status: 'succeeded', attempts: 1 });
    const details = await workspace.api.call(getRun, { workspace: workspace.id, run: run!.id });
    expect(details.attemptList[0]!.result).toEqual({ doubled: 42, attempt: 1 });
    expect(details.attemptList[0]!.logs).toContain('got number.made');
  });

  it('calls an HTTP target whose stock library verifies the signature and sees one idempotency key', async () => {
    const receiver = await startHttpReceiver();
    try {
      let failures = 2;
      receiver.answer = () => ({ status: failures-- > 0 ? 503 : 200 });
      const target = await workspace.httpTarget(receiver.url, { maxAttempts: 5, backoffMs: 100 });
      const trigger = await workspace.genericTrigger(target.id, { scheme: 'standard-webhooks' });
      await post(trigger.callbackUrl, trigger.secret!, JSON.stringify({ type: 't', data: { a: 1 } }), 'msg_1');
      const [run] = await workspace.endedRuns(trigger.id, 1);
      expect(run).toMatchObject({ status: 'succeeded', attempts: 3 });
      expect(new Set(receiver.calls.map((call) => call.headers['webhook-id']))).toEqual(new Set([run!.id]));
      for (const call of receiver.calls) new Webhook(target.secret).verify(call.body, call.headers as Record<string, string>);
    } finally {
      await receiver.close();
    }
  });
});

function post(url: string, secret: string, body: string, id: string): Promise<Response> {
  const at = new Date();
  return fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
  });
}

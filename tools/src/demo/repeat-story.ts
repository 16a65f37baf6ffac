import { listDeliveries, listEvents, listRuns } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { Webhook } from 'standardwebhooks';
import type { Steps } from './steps.js';
import { resultOf, type DemoWorkspace } from './workspace.js';

const SCRIPT = `export async function main(event, ctx) {
  return { paid: event.payload.data.order };
}
`;
const MESSAGE_ID = 'msg_demo_1';

/** A sender that repeats itself, as every sender does that got no answer: what arrives twice is one event and one run. */
export async function repeatStory({ steps, workspace }: { steps: Steps; workspace: DemoWorkspace }): Promise<void> {
  const script = await steps.step('Any sender: write a script', () => workspace.script('Note payments', SCRIPT));
  const { id: trigger, callbackUrl, secret } = await steps.step('Any sender: create a trigger for Standard Webhooks', () => workspace.created({
    name: 'Payments', service: 'generic-webhook', type: 'webhook', config: { scheme: 'standard-webhooks' }, runnableId: script,
  }));
  const body = JSON.stringify({ type: 'order.paid', timestamp: new Date().toISOString(), data: { order: 7 } });
  const send = () => post(callbackUrl, secret ?? '', body);
  await steps.step('Any sender: send an event', send, (status) => `HTTP ${status}, webhook-id ${MESSAGE_ID}`);
  const { event } = await steps.step('Any sender: the event arrives, verified', () => workspace.verifiedEvent(trigger), ({ event: { type } }) => type);
  await steps.step('Any sender: the script ran', () => workspace.runOf(trigger, event.id), (run) => `${run.status}, result ${resultOf(run)}`);
  await steps.step('Any sender: send the same event again', send, (status) => `HTTP ${status}, webhook-id ${MESSAGE_ID}`);
  await steps.step('Any sender: no second event, no second run', () => onlyOne(workspace, trigger),
    ({ deliveries, events, runs }) => `${deliveries} deliveries, ${events} event, ${runs} run`);
}

async function post(url: string, secret: string, body: string): Promise<number> {
  const at = new Date();
  const headers = {
    'content-type': 'application/json', 'webhook-id': MESSAGE_ID, 'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(MESSAGE_ID, at, body),
  };
  const { ok, status } = await fetch(url, { method: 'POST', body, headers });
  if (!ok) throw new Error(`Vane answered ${status} to a delivery that is signed as it should be.`);
  return status;
}

/** A delivery is listed once its events and their runs are stored, so there is nothing to come after the second one. */
async function onlyOne({ id: workspace, api }: DemoWorkspace, trigger: string) {
  const deliveries = await eventually('The second delivery', async () => {
    const { items } = await api.call(listDeliveries, { workspace, trigger });
    return items.length >= 2 && items;
  }, { timeoutMs: 30_000 });
  const refused = deliveries.find(({ status }) => status !== 'accepted');
  if (refused) throw new Error(`The delivery ${refused.id} is ${refused.status} instead of accepted: ${refused.reason ?? 'no reason given'}`);
  const events = (await api.call(listEvents, { workspace, trigger })).items.length;
  const runs = (await api.call(listRuns, { workspace, trigger })).items.length;
  if (events !== 1 || runs !== 1) throw new Error(`${deliveries.length} deliveries of one message made ${events} events and ${runs} runs instead of one each.`);
  return { deliveries: deliveries.length, events, runs };
}

import { Webhook } from 'standardwebhooks';
import { startHttpReceiver } from '@vane/testing';

const ANSWER_AFTER_MS = 200;

/** The program that runs call. What it saw is the only thing that counts for what was lost or done twice. */
export type Target = {
  url: string;
  setSecret(secret: string): void;
  /** One entry per call that was verified: its idempotency key and the id its sender gave the event. */
  calls: { key: string; event: string }[];
  /** Calls whose signature did not hold. */
  forged: number;
  close(): Promise<void>;
};

/** Listens on loopback, takes 200 ms for every call and verifies each with the stock library. */
export async function startTarget(): Promise<Target> {
  const receiver = await startHttpReceiver();
  let webhook: Webhook | undefined;
  const target: Target = {
    url: `${receiver.url}/hook`, setSecret: (secret) => { webhook = new Webhook(secret); }, calls: [], forged: 0, close: receiver.close,
  };
  receiver.answer = ({ headers, body }) => {
    receiver.calls.length = 0;
    try {
      if (!webhook) throw new Error('no secret yet');
      const { data } = webhook.verify(body, headers as Record<string, string>) as { data: { id: string } };
      target.calls.push({ key: String(headers['webhook-id']), event: data.id });
      return { status: 200, delayMs: ANSWER_AFTER_MS };
    } catch {
      target.forged += 1;
      return { status: 401 };
    }
  };
  return target;
}

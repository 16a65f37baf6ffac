import { startReceiver } from './receiver.js';
import type { Receiver } from './receiver.js';
import { startGoogleFake } from './server.js';
import type { GoogleFake } from './server.js';
import type { GoogleFakeOptions } from './state.js';

/** A fake and a receiver for its notifications. */
export type Stage = { fake: GoogleFake; receiver: Receiver; target: string; close(): Promise<void> };

/** Starts both; sync messages follow their answers unless a spec says otherwise. */
export async function openStage(options: GoogleFakeOptions = {}): Promise<Stage> {
  const receiver = await startReceiver();
  const fake = await startGoogleFake({ ...options, settings: { allowHttp: true, earlySyncShare: 0, ...options.settings } });
  return {
    fake,
    receiver,
    target: `${receiver.url}/hooks/g1`,
    async close() {
      await fake.close();
      await receiver.close();
    },
  };
}

/** What a call answered: `reason` is the first one of an error in Google's form. */
export type Answered = { status: number; reason: string | undefined; body: Record<string, unknown>; headers: Headers };

/** Calls with an access token, without a client library. */
export function caller(fake: GoogleFake, token = fake.issueToken()) {
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answered> => {
    const response = await fetch(fake.url + path, {
      method,
      redirect: 'manual',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const value = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> & { error?: { errors?: { reason: string }[] } };
    return { status: response.status, reason: value.error?.errors?.[0]?.reason, body: value, headers: response.headers };
  };
}

/** The notifications that came, by what they say. */
export const told = (receiver: Receiver): { channel: unknown; state: unknown; number: number }[] =>
  receiver.received.map(({ headers }) => ({ channel: headers['x-goog-channel-id'], state: headers['x-goog-resource-state'], number: Number(headers['x-goog-message-number']) }));

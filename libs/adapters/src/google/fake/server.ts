import { statusAnswer, tokenOf } from './api.js';
import { end } from './channels.js';
import { advance, applySettings, controlRoute, setClock } from './control.js';
import { objectActions } from './control-objects.js';
import { createFaults } from './faults.js';
import type { Faults } from './faults.js';
import { issueAccess, issueRefresh, revokeGrants } from './grants.js';
import type { Wanted } from './grants.js';
import { listen } from './listener.js';
import { operationName, route } from './operations.js';
import { deliverDue, pingsIdle, schedule } from './pings.js';
import { initialState, iso, nowOf } from './state.js';
import type { GoogleFakeOptions, Settings, State } from './state.js';
import type { Message } from './channels.js';

/** A running fake of Google. OAuth answers at `url/o/oauth2/v2/auth`, `/token`, `/revoke` and `/v1/userinfo`, the APIs at `/drive/v3` and `/calendar/v3`. */
export type GoogleFake = {
  url: string;
  /** Live state, secrets included. */
  state: State;
  faults: Faults;
  /** Does what the control of that path does (`files/update`, `events`, ...), see control.ts. Throws a sentence when it cannot be done. */
  act(path: string, body: Record<string, unknown>): unknown;
  /** Issues an access token without the flow. */
  issueToken(wanted?: Wanted): string;
  issueRefreshToken(wanted?: Wanted): string;
  /** Revokes what an account granted, or everybody; returns how many grants. */
  revokeGrants(account?: string): number;
  settings(change: Partial<Settings>): void;
  /** Sets the time (ISO), null makes the clock real again. */
  setClock(now: string | null): void;
  advance(seconds: number): void;
  /** Attempts the notifications that are due, with `all` every one that waits. */
  deliver(all?: boolean): Promise<Message[]>;
  /** Back to the first state, without faults. */
  reset(): void;
  /** Resolves when nothing that follows an answer or a change is under way. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Starts a fake Google on 127.0.0.1, written from https://developers.google.com/workspace/drive/api/guides/push,
 * https://developers.google.com/workspace/calendar/api/guides/push and .../guides/sync; where the documents leave a choice
 * it takes the stricter reading.
 */
export async function startGoogleFake(options: GoogleFakeOptions = {}): Promise<GoogleFake> {
  const faults = createFaults();
  const state = initialState(options, faults);
  const silence = () => {
    state.waiting.clear();
    for (const channel of state.channels.values()) end(state, channel, 'stopped');
  };
  const reset = () => {
    silence();
    Object.assign(state, initialState(options, faults));
    faults.clear();
    schedule(state);
  };
  const listener = await listen(
    {
      faults,
      journal: () => state.requests,
      now: () => iso(nowOf(state)),
      operation: operationName,
      account: (request) => tokenOf(state, request)?.account ?? null,
      route: (request) => route(state, request),
      control: (request) => controlRoute({ state, faults, reset }, request),
      statusAnswer,
    },
    options.port ?? 0,
  );
  return {
    url: listener.url,
    state,
    faults,
    act(path, body) {
      const action = objectActions[path];
      if (!action) throw new Error(`There is no control ${path} on objects.`);
      return action(state, body);
    },
    issueToken: (wanted) => issueAccess(state, wanted).token,
    issueRefreshToken: (wanted) => issueRefresh(state, wanted).token,
    revokeGrants: (account) => revokeGrants(state, (_client, email) => account === undefined || email === account),
    settings: (change) => void applySettings(state, change),
    setClock: (now) => void setClock(state, now),
    advance: (seconds) => void advance(state, seconds),
    deliver: (all) => deliverDue(state, all),
    reset,
    async idle() {
      await listener.idle();
      await pingsIdle(state);
    },
    async close() {
      silence();
      await listener.close();
    },
  };
}

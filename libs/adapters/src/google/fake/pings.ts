import { Agent, request as httpRequest } from 'node:http';
import { Agent as SecureAgent, request as httpsRequest } from 'node:https';
import { isLive } from './channels.js';
import type { Channel, Message } from './channels.js';
import { iso, nowOf } from './state.js';
import type { State } from './state.js';

const agents = { plain: new Agent({ keepAlive: true, maxSockets: 32 }), secure: new SecureAgent({ keepAlive: true, maxSockets: 32 }) };

/** What is taken as received, and what is tried again; anything else is given up. https://developers.google.com/workspace/drive/api/guides/push#respond-to-notifications */
const received: readonly number[] = [102, 200, 201, 202, 204];
const triedAgain: readonly number[] = [500, 502, 503, 504];

type Outcome = { status: number | null; error: string | null };

function headersOf(channel: Channel, message: Message): Record<string, string | number> {
  return {
    Accept: '*/*',
    'Accept-Encoding': 'gzip, deflate, br',
    'User-Agent': 'APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)',
    'Content-Length': 0,
    'X-Goog-Channel-ID': channel.id,
    'X-Goog-Channel-Expiration': new Date(channel.expiresAt).toUTCString(),
    'X-Goog-Resource-State': message.state,
    'X-Goog-Message-Number': message.number,
    'X-Goog-Resource-ID': channel.resourceId,
    'X-Goog-Resource-URI': channel.resourceUri,
    ...(channel.token === null ? {} : { 'X-Goog-Channel-Token': channel.token }),
    ...(message.changed === null ? {} : { 'X-Goog-Changed': message.changed }),
  };
}

/** One POST; redirects are not followed. A kept connection that the receiver had closed is no attempt: it is opened anew. */
function post(address: string, headers: Record<string, string | number>, timeoutMs: number): Promise<Outcome> {
  const secure = address.startsWith('https:');
  return new Promise((resolve) => {
    const outgoing = (secure ? httpsRequest : httpRequest)(address, {
      method: 'POST', headers, agent: secure ? agents.secure : agents.plain, signal: AbortSignal.timeout(timeoutMs),
    });
    outgoing.once('information', ({ statusCode }) => statusCode === 102 && resolve({ status: 102, error: null }));
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      if (outgoing.reusedSocket && error.code === 'ECONNRESET') resolve(post(address, headers, timeoutMs));
      else resolve({ status: null, error: error.code ?? error.name });
    });
    outgoing.once('response', (response) => {
      resolve({ status: response.statusCode ?? null, error: null });
      response.once('error', () => undefined).resume();
    });
    outgoing.end();
  });
}

/** One attempt, and what follows from its answer. */
async function attempt(state: State, message: Message, again = true): Promise<void> {
  const channel = state.channels.get(message.channelId);
  state.waiting.delete(message);
  if (!channel || !isLive(state, channel)) {
    message.outcome = 'abandoned';
    return;
  }
  const at = iso(nowOf(state));
  const outcome = await post(message.address, headersOf(channel, message), state.settings.deliveryTimeoutMs);
  message.attempts.push({ at, ...outcome });
  const { status } = outcome;
  if (status !== null && received.includes(status)) message.outcome = 'delivered';
  else if (!again) return;
  else if (!(status === null ? state.settings.retryUnreachable : triedAgain.includes(status))) message.outcome = 'refused';
  else if (message.attempts.length >= state.settings.attempts) message.outcome = 'spent';
  else wait(state, message, nowOf(state) + state.settings.retryBaseSeconds * 1000 * 2 ** (message.attempts.length - 1));
}

const timers = new WeakMap<State, { timer: NodeJS.Timeout; dueAt: number }>();

/** With a real clock, makes sure that what waits is sent when it is due; with a set one nothing happens by itself. `added` is a new time at which something is. */
export function schedule(state: State, added?: number): void {
  const running = timers.get(state);
  if (state.simulatedNow !== null || state.settings.hold) {
    if (running) clearTimeout(running.timer);
    timers.delete(state);
    return;
  }
  if (running && added !== undefined && running.dueAt <= added) return;
  let dueAt = Infinity;
  for (const message of state.waiting) dueAt = Math.min(dueAt, message.dueAt);
  if (running) clearTimeout(running.timer);
  timers.delete(state);
  if (dueAt === Infinity) return;
  const timer = setTimeout(() => {
    timers.delete(state);
    void deliverDue(state);
  }, Math.max(0, dueAt - nowOf(state)));
  timer.unref();
  timers.set(state, { timer, dueAt });
}

function wait(state: State, message: Message, dueAt: number): void {
  Object.assign(message, { outcome: 'waiting', dueAt });
  state.waiting.add(message);
  schedule(state, dueAt);
}

/** The first attempt of a message, with the faults that are in force for it. */
async function first(state: State, message: Message): Promise<void> {
  const played = state.faults.takeForPing(message.channelId, message.state);
  const has = (kind: string) => played.some((fault) => fault.kind === kind);
  message.fault = played[0]?.kind ?? null;
  if (has('ping-drop')) return void (message.outcome = 'suppressed');
  const delay = played.find(({ kind }) => kind === 'ping-delay');
  if (delay) return wait(state, message, nowOf(state) + (delay.delayMs ?? 0));
  const behind = state.heldBack.get(message.channelId) ?? [];
  if (has('ping-reorder')) {
    state.heldBack.set(message.channelId, [...behind, message]);
    return wait(state, message, Infinity);
  }
  state.heldBack.delete(message.channelId);
  await attempt(state, message);
  if (has('ping-duplicate') && message.outcome === 'delivered') await attempt(state, message, false);
  // What `deliver` has sent in the meantime waits no longer.
  for (const held of behind) if (state.waiting.has(held)) await attempt(state, held);
}

const underWay = new WeakMap<State, Set<Promise<unknown>>>();

function follow(state: State, work: Promise<unknown>): Promise<unknown> {
  const set = underWay.get(state) ?? new Set<Promise<unknown>>();
  underWay.set(state, set);
  const tracked = work.catch(() => undefined).finally(() => set.delete(tracked));
  set.add(tracked);
  return tracked;
}

/** Sends a message on a channel, or queues it when first attempts are held and it is not `early`; resolves when the first attempt is over. */
export function send(state: State, channel: Channel, what: string, changed: string | null, early = false): Promise<unknown> {
  // Numbers grow by more than one: "the value is always greater than that of the previous message", no more.
  channel.lastNumber += what === 'sync' ? 1 : 1 + Math.floor(state.random() * 9);
  const now = nowOf(state);
  const message: Message = {
    seq: state.messages.length, channelId: channel.id, number: channel.lastNumber, state: what, changed, address: channel.address,
    createdAt: now, dueAt: now, attempts: [], outcome: 'waiting', fault: null,
  };
  state.messages.push(message);
  if (state.settings.hold && !early) {
    state.waiting.add(message);
    return Promise.resolve();
  }
  return follow(state, first(state, message));
}

async function inOrder(state: State, messages: Message[]): Promise<void> {
  for (const message of messages) await (message.attempts.length === 0 && message.fault === null ? first(state, message) : attempt(state, message));
}

/** Attempts every message that is due, in order within a channel; with `all` also what is held back or due later. Returns them. */
export async function deliverDue(state: State, all = false): Promise<Message[]> {
  const now = nowOf(state);
  const due = [...state.waiting].filter((message) => all || message.dueAt <= now);
  const byChannel = new Map<string, Message[]>();
  for (const message of due) {
    const queue = byChannel.get(message.channelId);
    state.waiting.delete(message);
    if (queue) queue.push(message);
    else byChannel.set(message.channelId, [message]);
  }
  await Promise.all([...byChannel.values()].map((queue) => follow(state, inOrder(state, queue))));
  schedule(state);
  return due;
}

/** Resolves when no attempt is under way. */
export async function pingsIdle(state: State): Promise<void> {
  for (let set = underWay.get(state); set !== undefined && set.size > 0; set = underWay.get(state)) await Promise.all(set);
}

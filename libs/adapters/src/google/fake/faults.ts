import { seeded } from './random.js';

const requestKinds = ['status', 'rate-limit', 'timeout', 'garbage', 'drop', 'lost', 'delay', 'early'] as const;
const pingKinds = ['ping-drop', 'ping-duplicate', 'ping-reorder', 'ping-delay'] as const;

/**
 * A misbehaviour to play.
 *
 * - `status`: answer `status`, in Google's error form with `reason` and `message`, or with `body` as it stands
 * - `rate-limit`: 403 `rateLimitExceeded`, or 429 when `status` says so; with `retry-after` when `retryAfterSeconds` is set
 * - `timeout`: accept the request and never answer
 * - `garbage`: answer something unusable, see `form`; the work is done unless `afterWork` is false
 * - `drop`: close the connection without an answer, and without the work unless `afterWork`
 * - `lost`: do the work, then close the connection
 * - `delay`: answer after `delayMs`
 * - `early`: send what normally follows the answer (the sync message) before it
 * - `ping-drop`: a notification is never sent
 * - `ping-duplicate`: it is sent twice, under one message number
 * - `ping-reorder`: it is sent after the next one of its channel
 * - `ping-delay`: it is sent `delayMs` later
 */
export type Fault = {
  kind: (typeof requestKinds)[number] | (typeof pingKinds)[number];
  /** Operation as in the journal (`drive.changes.watch`); `*` stands for anything (`drive.*`). Any when absent. */
  operation?: string;
  /** For notifications: the id of the channel. Any when absent. */
  channelId?: string;
  /** For notifications: the resource state (`sync`, `change`, `exists`, ...). Any when absent. */
  state?: string;
  /** For requests: the e-mail address of the account that calls. Any when absent. */
  account?: string;
  /** How often it is played; 1 when absent, 0 means until cleared. */
  times?: number;
  /** How many matching ones pass untouched first. */
  skip?: number;
  /** Plays it on this share (0 to 1) of the matching ones, chosen by `seed`; all when absent. */
  share?: number;
  seed?: number;
  /** For status, rate-limit, timeout, garbage and drop: do the work first. */
  afterWork?: boolean;
  status?: number;
  reason?: string;
  message?: string;
  retryAfterSeconds?: number;
  headers?: Record<string, string>;
  body?: string;
  delayMs?: number;
  /** html page, JSON cut in half with a right length, or a body shorter than its announced length. */
  form?: 'html' | 'invalid-json' | 'truncated';
};

type Rule = { id: string; fault: Fault; operation: RegExp | null; random: () => number; played: number; seen: number };

/** What to play on one request. */
export type RequestFaults = { main: Fault | null; delayMs: number; early: boolean };

/** The faults in force, in the order they were set. */
export type Faults = {
  /** Adds faults and returns their ids. Throws a sentence when a fault makes no sense. */
  set(fault: Fault | Fault[]): string[];
  clear(id?: string): void;
  list(): { id: string; fault: Fault; played: number }[];
  takeForRequest(operation: string, account: string | null): RequestFaults;
  takeForPing(channelId: string, state: string): Fault[];
};

function check(fault: Fault): void {
  const kinds: readonly string[] = [...requestKinds, ...pingKinds];
  if (typeof fault !== 'object' || fault === null || !kinds.includes(fault.kind)) throw new Error(`A fault needs a kind, one of: ${kinds.join(', ')}.`);
  if (fault.kind === 'status' && !Number.isInteger(fault.status)) throw new Error('A fault of kind status needs the HTTP status to answer.');
  if (fault.kind.endsWith('delay') && !(Number(fault.delayMs) >= 0)) throw new Error(`A fault of kind ${fault.kind} needs delayMs.`);
  if (fault.share !== undefined && !(fault.share >= 0 && fault.share <= 1)) throw new Error('The share of a fault is a number from 0 to 1.');
}

function pattern(operation: string | undefined): RegExp | null {
  if (operation === undefined) return null;
  return new RegExp(`^${operation.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
}

const isPing = (fault: Fault) => fault.kind.startsWith('ping-');
const agrees = (wanted: string | undefined, value: string | null) => wanted === undefined || wanted === value;
const spent = (rule: Rule) => rule.fault.times !== 0 && rule.played >= (rule.fault.times ?? 1);

function play(rule: Rule): boolean {
  rule.seen += 1;
  if (rule.seen <= (rule.fault.skip ?? 0)) return false;
  if (rule.fault.share !== undefined && rule.random() >= rule.fault.share) return false;
  rule.played += 1;
  return true;
}

/** An empty set of faults. */
export function createFaults(): Faults {
  const rules: Rule[] = [];
  let next = 1;
  return {
    set(input) {
      const list = Array.isArray(input) ? input : [input];
      list.forEach(check);
      return list.map((fault) => {
        const id = String(next++);
        // A share is meant to go on: without a number of times it is played until cleared.
        const lasting = fault.share === undefined || fault.times !== undefined ? fault : { ...fault, times: 0 };
        rules.push({ id, fault: lasting, operation: pattern(fault.operation), random: seeded(fault.seed ?? 1), played: 0, seen: 0 });
        return id;
      });
    },
    clear(id) {
      const keep = id === undefined ? [] : rules.filter((rule) => rule.id !== id);
      rules.splice(0, rules.length, ...keep);
    },
    list: () => rules.map(({ id, fault, played }) => ({ id, fault, played })),
    takeForRequest(operation, account) {
      const taken: RequestFaults = { main: null, delayMs: 0, early: false };
      for (const rule of rules) {
        const { kind } = rule.fault;
        if (isPing(rule.fault) || spent(rule) || !agrees(rule.fault.account, account)) continue;
        if (rule.operation !== null && !rule.operation.test(operation)) continue;
        const modifier = kind === 'delay' || kind === 'early';
        if ((!modifier && taken.main !== null) || !play(rule)) continue;
        if (kind === 'delay') taken.delayMs += rule.fault.delayMs ?? 0;
        else if (kind === 'early') taken.early = true;
        else taken.main = rule.fault;
      }
      return taken;
    },
    takeForPing(channelId, state) {
      const fits = (rule: Rule) => isPing(rule.fault) && !spent(rule) && agrees(rule.fault.channelId, channelId) && agrees(rule.fault.state, state);
      return rules.filter((rule) => fits(rule) && play(rule)).map((rule) => rule.fault);
    },
  };
}

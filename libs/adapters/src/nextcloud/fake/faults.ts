const requestKinds = ['status', 'timeout', 'garbage', 'drop', 'delay', 'early'] as const;
const deliveryKinds = ['delivery-duplicate', 'delivery-drop', 'delivery-tamper', 'delivery-delay'] as const;

/**
 * A misbehaviour to play.
 *
 * - `status`: answer `status` (with `retry-after` when `retryAfterSeconds` is set)
 * - `timeout`: accept the request and never answer
 * - `garbage`: answer something unusable, see `form`; the work is done unless `afterWork` is false
 * - `drop`: close the connection without an answer
 * - `delay`: answer after `delayMs`
 * - `early`: finish what normally follows the answer (here: an event for the hook just made) before the answer is sent
 * - `delivery-duplicate`, `delivery-drop`, `delivery-tamper`, `delivery-delay`: the same for outgoing deliveries
 */
export type Fault = {
  kind: (typeof requestKinds)[number] | (typeof deliveryKinds)[number];
  /** HTTP method of the request; any when absent. */
  method?: string;
  /** Request path without the provider's optional prefix, or the target URL of a delivery; `*` is one segment, `**` anything. */
  path?: string;
  /** Event class, for deliveries. */
  event?: string;
  /** How often it is played; 1 when absent, 0 means until cleared. */
  times?: number;
  /** How many matching requests pass untouched first. */
  skip?: number;
  /** For status, timeout, garbage and drop: do the work first. */
  afterWork?: boolean;
  status?: number;
  retryAfterSeconds?: number;
  headers?: Record<string, string>;
  body?: string;
  delayMs?: number;
  /** html page, JSON cut in half with a right length, or a body shorter than its announced length. */
  form?: 'html' | 'invalid-json' | 'truncated';
  /** With `early`: the event to emit before the answer; by default one of the class in the request. */
  emit?: { eventClass: string; event: Record<string, unknown>; user: string | null };
};

type Rule = { id: string; fault: Fault; pattern: RegExp | null; played: number; seen: number };

/** What to play on one request. */
export type RequestFaults = { main: Fault | null; delayMs: number; early: Fault | null };

/** The faults in force, in the order they were set. */
export type Faults = {
  /** Adds faults and returns their ids. Throws a sentence when a fault makes no sense. */
  set(fault: Fault | Fault[]): string[];
  clear(id?: string): void;
  list(): { id: string; fault: Fault; played: number }[];
  takeForRequest(method: string, path: string): RequestFaults;
  takeForDelivery(url: string, event: string): Fault[];
};

function globPattern(glob: string): RegExp {
  const parts = glob.split('**').map((part) => part.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('[^/]*'));
  return new RegExp(`^${parts.join('.*')}$`);
}

function check(fault: Fault): void {
  const kinds: readonly string[] = [...requestKinds, ...deliveryKinds];
  if (typeof fault !== 'object' || fault === null || !kinds.includes(fault.kind)) throw new Error(`A fault needs a kind, one of: ${kinds.join(', ')}.`);
  if (fault.kind === 'status' && !Number.isInteger(fault.status)) throw new Error('A fault of kind status needs the HTTP status to answer.');
  if (fault.kind.endsWith('delay') && !(Number(fault.delayMs) >= 0)) throw new Error(`A fault of kind ${fault.kind} needs delayMs.`);
}

/** An empty set of faults. */
export function createFaults(): Faults {
  const rules: Rule[] = [];
  let next = 1;

  const play = (rule: Rule): boolean => {
    rule.seen += 1;
    if (rule.seen <= (rule.fault.skip ?? 0)) return false;
    rule.played += 1;
    return true;
  };
  const spent = (rule: Rule) => rule.fault.times !== 0 && rule.played >= (rule.fault.times ?? 1);
  const fits = (rule: Rule, target: string) => !spent(rule) && (rule.pattern === null || rule.pattern.test(target));

  return {
    set(input) {
      const list = Array.isArray(input) ? input : [input];
      list.forEach(check);
      return list.map((fault) => {
        const id = String(next++);
        rules.push({ id, fault, pattern: fault.path === undefined ? null : globPattern(fault.path), played: 0, seen: 0 });
        return id;
      });
    },
    clear(id) {
      const keep = id === undefined ? [] : rules.filter((rule) => rule.id !== id);
      rules.splice(0, rules.length, ...keep);
    },
    list: () => rules.map(({ id, fault, played }) => ({ id, fault, played })),
    takeForRequest(method, path) {
      const taken: RequestFaults = { main: null, delayMs: 0, early: null };
      for (const rule of rules) {
        const { kind } = rule.fault;
        if (kind.startsWith('delivery-') || !fits(rule, path)) continue;
        if (rule.fault.method !== undefined && rule.fault.method.toUpperCase() !== method) continue;
        const modifier = kind === 'delay' || kind === 'early';
        if ((!modifier && taken.main !== null) || !play(rule)) continue;
        if (kind === 'delay') taken.delayMs += rule.fault.delayMs ?? 0;
        else if (kind === 'early') taken.early = rule.fault;
        else taken.main = rule.fault;
      }
      return taken;
    },
    takeForDelivery(url, event) {
      return rules
        .filter((rule) => rule.fault.kind.startsWith('delivery-') && fits(rule, url))
        .filter((rule) => (rule.fault.event === undefined || rule.fault.event === event) && play(rule))
        .map((rule) => rule.fault);
    },
  };
}

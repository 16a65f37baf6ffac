import { VaneError, type CallContext, type CheckView, type ConnectionView, type InputOf, type OutputOf, type preflightTrigger } from '@vane/contracts';
import { newId } from '@vane/db';
import type { JsonObject } from '@vane/kit';
import { EgressError, inspectUrl, withDeadline, type Clock, type EgressClient } from '@vane/runtime';
import { toServiceError, type Connections } from '../connections.js';
import { requireScopes, type Planned, type TriggerPlans } from '../trigger-plans.js';

/** Each check may take so long; they run at the same time. */
const CHECK_MS = 8_000;
/** Signatures with a time in them are refused beyond this by most services, and by us. */
const CLOCK_SKEW_MS = 3 * 60_000;
const LIMITS = { timeoutMs: CHECK_MS, maxResponseBytes: 10_000, onTooLarge: 'truncate', redirect: 'manual' } as const;

type Verdict = Pick<CheckView, 'state' | 'message' | 'fix'>;
const ok = (message: string): Verdict => ({ state: 'ok', message, fix: null });
const failed = (message: string, fix: string): Verdict => ({ state: 'failed', message, fix });
const unknown = (message: string, fix: string | null = null): Verdict => ({ state: 'unknown', message, fix });
const skipped = (message: string): Verdict => ({ state: 'skipped', message, fix: null });

/** Looks whether what a trigger needs is there before it is created. Registers nothing. */
export class Preflight {
  constructor(
    private readonly plans: TriggerPlans,
    private readonly connections: Connections,
    private readonly egress: EgressClient,
    private readonly clock: Clock,
    private readonly publicUrl: string,
  ) {}

  /** @throws VaneError for what no trigger could have: an unknown service, type or connection, a wrong config */
  async of(input: InputOf<typeof preflightTrigger>, call: CallContext): Promise<OutputOf<typeof preflightTrigger>> {
    const planned = this.plans.plan(input.service, input.type, input.config as JsonObject, newId('trigger', this.clock.now()));
    const { label } = planned.adapter;
    const connection = planned.type.remote ? await this.connection(planned, input.workspace, input.connectionId, call) : null;
    const usable = connection !== null && 'id' in connection ? connection : null;
    const checks = await Promise.all([
      check('public_url', 'Vane has an address that others can trust', async () => this.https()),
      check('reachable', 'Vane answers at its public address', () => this.reachable()),
      check('callback_rules', `${label} accepts our address`, async () => this.callbackRules(planned)),
      check('connection', 'The connection can be used', async () => connectionVerdict(planned, connection)),
      check('scopes', `${label} has granted what is needed`, async () => (usable ? scopes(planned, usable) : skipped('There is no connection whose scopes could be looked at.'))),
      check('clock', `Our clock and that of ${label} agree`, () => this.clocks(planned, input.workspace, usable, call)),
    ]);
    const own = usable ? await this.ofService(planned, input.workspace, usable, call) : [];
    const all = [...checks, ...own];
    return { ok: all.every(({ state }) => state !== 'failed'), checks: all };
  }

  /** The connection, or what a person has to do before it can be used. */
  private async connection({ adapter }: Planned, workspace: string, id: string | null | undefined, call: CallContext): Promise<ConnectionView | Verdict | null> {
    if (!id) return null;
    try {
      const view = await this.connections.usable(workspace, id, call);
      if (view.service === adapter.id) return view;
      return failed(`This connection belongs to ${view.service}.`, `Choose a connection of ${adapter.label}.`);
    } catch (error) {
      if (!(error instanceof VaneError) || error.code === 'not_found') throw error;
      return error.retry === 'later' ? unknown(error.message) : failed(error.message, 'Connect the account again, or choose another connection.');
    }
  }

  private https(): Verdict {
    if (new URL(this.publicUrl).protocol === 'https:') return ok(`${this.publicUrl} uses https.`);
    return failed(`${this.publicUrl} uses plain http: whoever is on the way can read what services send.`, 'Put a reverse proxy with a certificate before webhook-ingress, and set VANE_PUBLIC_URL to its https address.');
  }

  /** From inside, a network may not let us reach our own address though others can. */
  private async reachable(): Promise<Verdict> {
    const url = `${this.publicUrl.replace(/\/+$/, '')}/healthz`;
    const fix = 'Open this address from a machine in the internet: it must answer {"ok":true}, or at least reach webhook-ingress below /hooks/.';
    try {
      const { status, body } = await this.egress.request(url, LIMITS);
      if (status === 200 && body.toString().includes('"ok":true')) return ok(`${url} answers.`);
      if (status >= 500) return failed(`${url} answers ${status}: what stands before webhook-ingress does not reach it.`, 'See that webhook-ingress is up and that the reverse proxy forwards to it.');
      return unknown(`${url} answers ${status}; it may forward nothing but /hooks/.`, fix);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      return unknown(`Vane itself cannot tell: ${error.message}`, fix);
    }
  }

  private callbackRules({ adapter, type }: Planned): Verdict {
    const rules = type.remote?.callbackRules;
    if (!rules) return skipped(`${adapter.label} demands nothing of it.`);
    const fix = `Set VANE_PUBLIC_URL to an address that fulfils it: ${rules.docsUrl}`;
    if (rules.httpsOnly && new URL(this.publicUrl).protocol !== 'https:') return failed(`${adapter.label} posts to https addresses only.`, fix);
    if (rules.publicOnly && !isPublic(this.publicUrl)) return failed(`${adapter.label} posts to addresses in the public internet only.`, fix);
    return ok(`${this.publicUrl} is as ${adapter.label} demands.`);
  }

  /** By the Date header (RFC 9110 section 6.6.1) of whatever the service answers to a call without a token. */
  private async clocks({ adapter }: Planned, workspace: string, connection: ConnectionView | null, call: CallContext): Promise<Verdict> {
    if (!connection) return skipped('There is no connection, so there is no service to compare clocks with.');
    const http = await this.connections.http(adapter, workspace, connection.id, call);
    const [host] = Object.keys(adapter.hosts);
    const before = this.clock.now().getTime();
    const { headers } = await this.egress.request(http.hostUrl(host!), { ...LIMITS, method: 'HEAD' });
    const there = Date.parse(headers['date'] ?? '');
    if (Number.isNaN(there)) return unknown(`${adapter.label} does not say what time it has.`);
    const apart = Math.round((before - there) / 1_000);
    if (Math.abs(apart) * 1_000 <= CLOCK_SKEW_MS) return ok(`The clocks agree to within ${Math.abs(apart)} s.`);
    return failed(`Our clock is ${Math.abs(apart)} s ${apart > 0 ? 'ahead of' : 'behind'} that of ${adapter.label}.`, 'Set the clock of the machines that Vane runs on, best by NTP.');
  }

  private async ofService(planned: Planned, workspace: string, connection: ConnectionView, call: CallContext): Promise<CheckView[]> {
    const { adapter, type, plan } = planned;
    const look = type.remote?.preflight;
    if (!look) return [];
    const ask = async (): Promise<CheckView[]> => look(await this.connections.http(adapter, workspace, connection.id, call), { resource: plan.resource, want: plan.want });
    try {
      return await withDeadline(ask(), CHECK_MS, late);
    } catch (error) {
      return [{ id: 'service', label: `${adapter.label} allows it`, ...unknown(sentenceOf(error)) }];
    }
  }
}

async function check(id: string, label: string, look: () => Promise<Verdict>): Promise<CheckView> {
  try {
    return { id, label, ...(await withDeadline(look(), CHECK_MS, late)) };
  } catch (error) {
    return { id, label, ...unknown(sentenceOf(error)) };
  }
}

const late = () => new VaneError('deadline_exceeded', `There was no answer within ${CHECK_MS / 1_000} seconds.`);
const sentenceOf = (error: unknown): string => (error instanceof VaneError || error instanceof EgressError ? error.message : toServiceError(error).message);

function connectionVerdict({ adapter, type }: Planned, connection: ConnectionView | Verdict | null): Verdict {
  if (!type.remote) return skipped(`${adapter.label} works without a connection.`);
  if (!connection) return failed('No connection is chosen.', `Choose the ${adapter.label} connection that the trigger works as.`);
  return 'id' in connection ? ok(`It works as ${connection.accountLabel}.`) : connection;
}

function scopes({ adapter, typeName }: Planned, connection: ConnectionView): Verdict {
  try {
    requireScopes(adapter, typeName, connection);
    return ok('All scopes that are needed were granted.');
  } catch (error) {
    if (!(error instanceof VaneError)) throw error;
    return failed(error.message, 'Ask for the missing scopes: POST .../connections/{id}/reconnect with the trigger type, and open the URL in the answer.');
  }
}

/** As far as the URL alone says: names are not resolved. */
function isPublic(url: string): boolean {
  try {
    inspectUrl(url, { allow: [] });
    return true;
  } catch {
    return false;
  }
}

import { hash } from 'node:crypto';
import type { DeliveryHeader, DeliveryStatus } from '@vane/contracts';
import { deliveryAuthCell, newId, seal, type SealingKey } from '@vane/db';
import { pickHeaders, redact, type Answer, type RawRequest, type Redaction } from '@vane/kit';
import type { Clock, HookKeys, Logger, Metrics } from '@vane/runtime';
import { RefusalBudget } from './refusals.js';
import type { DeliveryStore } from './store.js';
import type { CachedSubscription, SubscriptionCache } from './subscription-cache.js';

const EMPTY = new Uint8Array();
const REFUSED_BODY_BYTES = 4_096;

type Kept = { status: DeliveryStatus; body: Uint8Array; omitted: boolean; cut: unknown };

/** The way of one request: key, method, handshake, verification, redaction, store, answer. Nothing else happens here. */
export class Receiver {
  private readonly budget = new RefusalBudget();
  private readonly outcomes;

  constructor(
    private readonly keys: HookKeys,
    private readonly subscriptions: SubscriptionCache,
    private readonly store: DeliveryStore,
    private readonly dataKey: SealingKey,
    private readonly clock: Clock,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter('vane_ingress_requests_total', 'Requests by what became of them', ['service', 'outcome']);
  }

  /** Whether the key's MAC is ours; a made-up key costs neither a query nor the reading of a body. */
  recognises(key: string): boolean {
    if (this.subscriptions.remembers(key) || this.keys.isGenuine(key)) return true;
    this.outcomes.inc({ service: '', outcome: 'forged_key' });
    return false;
  }

  /** A request whose body was not read to its end: too large, or broken off. Counted, not kept. */
  unreadable(status: number): void {
    this.outcomes.inc({ service: '', outcome: status === 413 ? 'too_large' : 'unreadable' });
  }

  /** A request that was not taken on, because too many are under way. */
  shed(): void {
    this.outcomes.inc({ service: '', outcome: 'shed' });
  }

  /** What to answer when `receive` has failed by a fault of ours. */
  broken(error: unknown): Answer {
    this.outcomes.inc({ service: '', outcome: 'broken' });
    this.logger.error({ err: error }, 'a request could not be taken because of a fault on our side');
    return { status: 500 };
  }

  async receive(key: string, request: RawRequest): Promise<Answer> {
    let subscription: CachedSubscription | null;
    try {
      subscription = await this.subscriptions.get(key);
    } catch (error) {
      this.logger.warn({ err: error }, 'subscription cannot be looked up');
      return { status: 503, headers: { 'retry-after': '5' } };
    }
    if (!subscription) return { status: 404 };
    return this.judge(key, subscription, request);
  }

  private async judge(key: string, known: CachedSubscription, request: RawRequest): Promise<Answer> {
    const { webhook } = known.type;
    if (known.removed) return this.refuse(key, known, request, 'removed', 410);
    if (!webhook.methods.includes(request.method)) {
      const refused = this.refuse(key, known, request, 'wrong_method', 405);
      return { ...refused, headers: { allow: webhook.methods.join(', ') } };
    }
    const handshake = webhook.handshake?.(request);
    if (handshake) {
      // Nobody has verified it: whoever has the URL can send as many as they like.
      if (this.budget.allows(key, this.clock.now())) this.store.record(this.header(known, request, { status: 'handshake' }), EMPTY);
      this.outcomes.inc({ service: known.service, outcome: 'handshake' });
      return handshake;
    }
    const { subscription, verdict } = await this.verify(key, known, request);
    if (!verdict.ok) return this.refuse(key, subscription, request, verdict.reason, 401);
    return this.accept(subscription, request);
  }

  /** A secret may just have been changed: a failed verification is repeated once with what Postgres says now. */
  private async verify(key: string, subscription: CachedSubscription, request: RawRequest) {
    const verdict = subscription.verify(request, this.clock.now());
    if (verdict.ok) return { subscription, verdict };
    const newer = await this.subscriptions.getNewer(key, subscription).catch(() => null);
    if (!newer) return { subscription, verdict };
    return { subscription: newer, verdict: newer.verify(request, this.clock.now()) };
  }

  private async accept(subscription: CachedSubscription, request: RawRequest): Promise<Answer> {
    const { webhook } = subscription.type;
    const kept = keep(request, webhook.redact ?? [], webhook.isPing?.(request) ?? false);
    const header = this.header(subscription, request, {
      status: kept.status,
      reason: kept.status === 'unprocessable' ? 'not_json' : null,
      bodyOmitted: kept.omitted,
    });
    const auth = webhook.redact?.find((redaction) => redaction.authSeconds !== undefined);
    if (auth?.authSeconds !== undefined && isWorthKeeping(kept.cut)) {
      header.sealedAuth = await seal(this.dataKey, JSON.stringify(kept.cut), deliveryAuthCell(header.workspaceId, header.id));
      header.authUntil = this.clock.in(auth.authSeconds * 1000).toISOString();
    }
    const place = await this.store.store(header, kept.body);
    this.outcomes.inc({ service: subscription.service, outcome: place ? header.status : 'not_stored' });
    return place ? { status: 200 } : { status: 503, headers: { 'retry-after': '5' } };
  }

  private refuse(key: string, subscription: CachedSubscription, request: RawRequest, reason: string, status: number): Answer {
    this.outcomes.inc({ service: subscription.service, outcome: 'refused' });
    if (this.budget.allows(key, this.clock.now())) {
      const secretBody = (subscription.type.webhook.redact?.length ?? 0) > 0;
      const body = secretBody ? EMPTY : request.body.subarray(0, REFUSED_BODY_BYTES);
      const header = this.header(subscription, request, { status: 'refused', reason, bodyOmitted: secretBody });
      this.store.record(header, body);
    }
    return { status };
  }

  private header(
    subscription: CachedSubscription,
    request: RawRequest,
    verdict: { status: DeliveryStatus; reason?: string | null; bodyOmitted?: boolean },
  ): DeliveryHeader {
    const now = this.clock.now();
    return {
      v: 1,
      id: newId('delivery', now),
      receivedAt: now.toISOString(),
      status: verdict.status,
      reason: verdict.reason ?? null,
      workspaceId: subscription.workspaceId,
      subscriptionId: subscription.id,
      feedId: subscription.feedId,
      service: subscription.service,
      triggerType: subscription.triggerType,
      method: request.method,
      headers: pickHeaders(subscription.headerNames, request.headers),
      size: request.body.length,
      sha256: hash('sha256', request.body, 'hex'),
      bodyOmitted: verdict.bodyOmitted ?? false,
      sealedAuth: null,
      authUntil: null,
    };
  }
}

/** What of a verified body is stored. Where secrets must be cut out and cannot, nothing but hash and size is. */
function keep(request: RawRequest, redactions: readonly Redaction[], ping: boolean): Kept {
  const status: DeliveryStatus = ping ? 'ping' : 'accepted';
  if (redactions.length === 0) return { status, body: request.body, omitted: false, cut: undefined };
  const redacted = redact(request.body, redactions);
  if (!redacted.ok) return { status: 'unprocessable', body: EMPTY, omitted: true, cut: undefined };
  const auth = redactions.find((redaction) => redaction.authSeconds !== undefined);
  return { status, body: redacted.body, omitted: false, cut: auth && redacted.cut[auth.pointer] };
}

/** PHP sends an empty map as an empty list: neither holds anything a script could use. */
function isWorthKeeping(cut: unknown): boolean {
  return typeof cut === 'object' && cut !== null && Object.keys(cut).length > 0;
}

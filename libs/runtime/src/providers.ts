import { Clock } from './clock.js';
import { EgressClient, parseEgressAllow, type EgressPolicy } from './egress/index.js';
import { Health } from './health.js';
import { Lifecycle } from './lifecycle.js';
import { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { OriginGuard } from './origin-guard.js';
import { JobQueues } from './queue.js';

/** The guarded way out, with the operator's exceptions. */
export const egressProvider = (settings: { VANE_EGRESS_ALLOW: string }, policy: Omit<EgressPolicy, 'allow'> = {}) => ({
  provide: EgressClient,
  inject: [Lifecycle],
  useFactory: (lifecycle: Lifecycle) => {
    const egress = new EgressClient({ policy: { ...policy, allow: parseEgressAllow(settings.VANE_EGRESS_ALLOW) } });
    lifecycle.onStop(() => egress.close());
    return egress;
  },
});

/** What keeps this process from calling services that are in trouble, or that asked for a pause. */
export const originGuardProvider = () => ({
  provide: OriginGuard,
  inject: [Clock, Metrics],
  useFactory: (clock: Clock, metrics: Metrics) => new OriginGuard(clock, metrics),
});

/** The job queues; `needed` says whether the app cannot work without Redis, or merely works later. */
export const queuesProvider = (settings: { VANE_REDIS_URL: string; VANE_PREFIX: string }, { needed }: { needed: boolean }) => ({
  provide: JobQueues,
  inject: [Health, Lifecycle, Logger],
  useFactory: (health: Health, lifecycle: Lifecycle, logger: Logger) => {
    const queues = new JobQueues({ url: settings.VANE_REDIS_URL, prefix: settings.VANE_PREFIX, logger });
    if (needed) health.add('redis', () => queues.check());
    lifecycle.onStop(() => queues.close());
    return queues;
  },
});

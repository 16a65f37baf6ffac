import type { Metrics } from '@vane/runtime';

const seconds = (from: Date, to: Date) => Math.max(0, to.getTime() - from.getTime()) / 1000;

/** What this worker tells Prometheus. */
export class RunMetrics {
  private readonly runs;
  private readonly duration;
  private readonly lag;

  constructor(metrics: Metrics) {
    this.runs = metrics.counter('vane_runs_total', 'Runs by what an attempt made of them', ['outcome']);
    this.duration = metrics.histogram('vane_run_attempt_seconds', 'Time an attempt took', ['outcome']);
    this.lag = metrics.histogram('vane_run_queue_lag_seconds', 'Time from the creation of a run to its first attempt');
  }

  ended(outcome: string): void {
    this.runs.inc({ outcome });
  }

  attempted(outcome: string, began: Date, ended: Date): void {
    this.duration.observe({ outcome }, seconds(began, ended));
  }

  started(createdAt: Date, at: Date): void {
    this.lag.observe(seconds(createdAt, at));
  }
}

import { Clock } from '@vane/runtime';

/** Simulated time: it stands where it was last set, and goes on from there as fast as real time, so that no two moments are one. */
export class SimClock extends Clock {
  private base: number;
  private setAt = performance.now();

  constructor(now: Date) {
    super();
    this.base = now.getTime();
  }

  now(): Date {
    return new Date(this.base + (performance.now() - this.setAt));
  }

  /** Time never goes back: what took longer in real time than the step of the simulation stays where it is. */
  set(now: Date): void {
    this.base = Math.max(now.getTime(), this.now().getTime());
    this.setAt = performance.now();
  }
}

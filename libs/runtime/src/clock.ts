/** The only source of time in apps: injected, so that tests and simulations can move it. */
export abstract class Clock {
  abstract now(): Date;

  /** A moment `ms` milliseconds from now. */
  in(ms: number): Date {
    return new Date(this.now().getTime() + ms);
  }
}

export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}

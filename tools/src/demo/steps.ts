export type StepTime = { step: string; ms: number };

/** A step did not do what it should; the message is a sentence for whoever runs the demo. */
export class StepFailed extends Error {
  constructor(readonly step: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Does named steps one after the other, says how each went and keeps how long it took. */
export class Steps {
  readonly times: StepTime[] = [];

  constructor(private readonly say: (line: string) => void) {}

  /** Does one step. `note` makes a few words about its result. Throws StepFailed when the work does. */
  async step<T>(step: string, work: () => Promise<T>, note: (result: T) => string = () => ''): Promise<T> {
    const startedAt = performance.now();
    try {
      const result = await work();
      const ms = Math.round(performance.now() - startedAt);
      this.times.push({ step, ms });
      const words = note(result);
      this.say(`${String(ms).padStart(6)} ms  ${step}${words ? `: ${words}` : ''}`);
      return result;
    } catch (error) {
      this.times.push({ step, ms: Math.round(performance.now() - startedAt) });
      throw new StepFailed(step, error);
    }
  }
}

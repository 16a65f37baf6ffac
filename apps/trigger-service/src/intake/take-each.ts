import type { DeliveryHeader } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Logger } from '@vane/runtime';
import type { Intake } from './intake.js';

type Delivery = { header: DeliveryHeader; body: Buffer };

/** Told of every delivery of a batch, exactly once. */
export type Outcome<T> = {
  /** Its rows are committed. */
  taken(one: T): void;
  /** Nothing of it is stored: it is to be tried again later. */
  left(one: T): void;
  /** Asked before each one: true leaves the rest. */
  ended?(): boolean;
};

/**
 * Takes a batch in and, when that fails, each delivery on its own, so that one delivery never holds up another. What
 * Postgres refuses for its content is set aside; what fails for any other reason is left, and so is everything as soon
 * as Postgres does not answer. Never rejects.
 */
export async function takeEach<T extends Delivery>(
  { intake, database, logger }: { intake: Intake; database: Database; logger: Logger },
  batch: T[],
  outcome: Outcome<T>,
): Promise<void> {
  const failure = await attempt(() => intake.take(batch));
  if (!failure) return batch.forEach((one) => outcome.taken(one));
  logger.warn({ err: failure.error, deliveries: batch.length }, 'batch failed, taking its deliveries one by one');
  let away = await attempt(() => database.ping());
  for (const one of batch) {
    if (away || outcome.ended?.()) {
      outcome.left(one);
      continue;
    }
    const failed = await attempt(() => intake.takeOrSetAside(one));
    if (!failed) {
      outcome.taken(one);
      continue;
    }
    logger.error({ err: failed.error, deliveryId: one.header.id }, 'delivery could not be taken in, trying again later');
    outcome.left(one);
    away = await attempt(() => database.ping());
  }
}

async function attempt(work: () => Promise<void>): Promise<{ error: unknown } | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return { error };
  }
}

import { VaneError } from '@vane/contracts';

/**
 * Waits for the database on behalf of a request. Whatever fails here is no fault of the request, so it becomes
 * `unavailable`, with the driver's error as its cause.
 */
export async function whileReachable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new VaneError('unavailable', 'The database did not answer. Try again shortly.', { cause, retryAfterMs: 1_000 });
  }
}

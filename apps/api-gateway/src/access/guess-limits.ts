import { isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import ipaddr from 'ipaddr.js';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

const WINDOW_SECONDS = 900;
const PER_SUBJECT = 10;
const PER_ADDRESS = 100;

/**
 * Counts guesses at passwords and one-time links, in this process: each gateway allows as many. Only failures count, so an
 * office behind one address does not end its own sign-ins.
 */
@Injectable()
export class GuessLimits {
  private readonly addresses = new RateLimiterMemory({ points: PER_ADDRESS, duration: WINDOW_SECONDS });
  private readonly subjects = new RateLimiterMemory({ points: PER_SUBJECT, duration: WINDOW_SECONDS });

  /**
   * Does something that may be a guess from an address at a subject, such as an e-mail address. It is counted before it is
   * done, so that many at once are no way around the limit, and taken back unless it was refused. Throws `rate_limited`.
   */
  async count<T>(address: string, subject: string | undefined, work: () => Promise<T>): Promise<T> {
    const from = networkOf(address);
    const taken: (() => Promise<unknown>)[] = [];
    const take = async (limiter: RateLimiterMemory, key: string) => {
      await limiter.consume(key).catch(refuse);
      taken.push(() => limiter.reward(key));
    };
    try {
      await take(this.addresses, from);
      if (subject !== undefined) await take(this.subjects, subject);
      const result = await work();
      await giveBack(taken);
      return result;
    } catch (error) {
      // What we could not judge is no guess, and neither is what the limit of the subject kept from being judged.
      if (!(error instanceof VaneError) || error.status >= 500) await giveBack(taken);
      throw error;
    }
  }
}

const giveBack = (taken: (() => Promise<unknown>)[]): Promise<unknown> => Promise.all(taken.map((reward) => reward()));

function refuse(cause: unknown): never {
  if (!(cause instanceof RateLimiterRes)) throw cause;
  throw new VaneError('rate_limited', 'Too many failed attempts. Wait before you try again.', { retryAfterMs: cause.msBeforeNext });
}

/** Somebody with an IPv6 address mostly has its whole /64 (RFC 6177), so that counts as one. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.parts.slice(0, 4).join(':');
}

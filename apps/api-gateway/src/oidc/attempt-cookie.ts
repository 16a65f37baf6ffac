import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readCookie } from '../oauth/cookie.js';

export const ATTEMPT_SECONDS = 600;

const attempt = z.object({ state: z.string(), nonce: z.string(), verifier: z.string(), returnTo: z.string() });
export type KeptAttempt = z.infer<typeof attempt>;

/**
 * The cookie that binds a sign-in at the identity provider to the browser that began it. Every attempt has its own, named
 * after its state, so that two tabs do not end each other. `__Host-` keeps other hosts of the domain from setting it, which
 * would sign somebody in as somebody else (https://www.rfc-editor.org/rfc/rfc9700#section-4.7).
 */
export class AttemptCookie {
  constructor(private readonly https: boolean) {}

  /** Set-Cookie for an attempt. Lax, because the callback is a navigation that comes from the provider's site. */
  set(kept: KeptAttempt): string {
    return this.header(kept.state, Buffer.from(JSON.stringify(kept)).toString('base64url'), ATTEMPT_SECONDS);
  }

  clear(state: string): string {
    return this.header(state, '', 0);
  }

  /** The attempt that a state belongs to in this browser; null when it has none. */
  read(header: string | undefined, state: string): KeptAttempt | null {
    const value = readCookie(header, this.name(state));
    if (value === null) return null;
    try {
      const kept = attempt.parse(JSON.parse(Buffer.from(value, 'base64url').toString()));
      return kept.state === state ? kept : null;
    } catch {
      return null;
    }
  }

  name(state: string): string {
    return `${this.https ? '__Host-' : ''}vane_oidc_${createHash('sha256').update(state).digest('hex').slice(0, 16)}`;
  }

  private header(state: string, value: string, maxAgeSeconds: number): string {
    return [`${this.name(state)}=${value}`, 'Path=/', `Max-Age=${maxAgeSeconds}`, 'HttpOnly', 'SameSite=Lax', ...(this.https ? ['Secure'] : [])].join('; ');
  }
}

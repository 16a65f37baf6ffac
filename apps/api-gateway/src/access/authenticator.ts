import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { VaneError } from '@vane/contracts';
import { Clock } from '@vane/runtime';
import { whileReachable } from '../reachable.js';
import { changesSomething, checkCsrfToken, checkOrigin, CSRF_HEADER } from './csrf.js';
import { Identities, type Known } from './identities.js';
import type { Identity } from './identity.js';
import { SessionCookie } from './session-cookie.js';
import { hashToken, TOKEN_PATTERN } from './token.js';

/** How long another process may still accept what was revoked, ended or changed here. */
const CACHE_MS = 5_000;
const CACHE_ENTRIES = 1_000;

/** What a request says about who sends it. */
export type Presented = { method: string; headers: IncomingHttpHeaders };
type Entry = { known: Known; until: number };

/** Tells who a request comes from. Only tokens and sessions that exist are cached, so a new one works at once. */
@Injectable()
export class Authenticator {
  private readonly cache = new Map<string, Entry>();
  private epoch = 0;

  constructor(
    private readonly identities: Identities,
    private readonly clock: Clock,
    private readonly cookie: SessionCookie,
  ) {}

  /**
   * Who sends a request: by its Authorization header (RFC 6750 section 2.1) when there is one, else by its session cookie.
   * Throws `unauthenticated` when it names nobody, `csrf_refused` when a page elsewhere may have sent the cookie along, and
   * `unavailable` when that cannot be told.
   */
  async authenticate({ method, headers }: Presented): Promise<Identity> {
    if (headers.authorization !== undefined) return this.byToken(headers.authorization);
    const token = this.cookie.read(headers.cookie);
    if (token === null) throw new VaneError('unauthenticated', 'Sign in, or send your API token as "Authorization: Bearer vat_...".');
    const identity = await this.bySession(token);
    if (!identity) throw new VaneError('unauthenticated', 'This session has ended. Sign in again.');
    if (changesSomething(method)) {
      checkOrigin(headers.origin, this.cookie.origin);
      checkCsrfToken(headers[CSRF_HEADER], hashToken(token));
    }
    return identity;
  }

  /**
   * Who sends a request that anybody may send: null unless it names a live session and proves that it means to, because a
   * cookie comes along uninvited. Throws `csrf_refused` for a change that a page elsewhere asks for.
   */
  async identify({ method, headers }: Presented): Promise<Identity | null> {
    if (changesSomething(method)) checkOrigin(headers.origin, this.cookie.origin);
    const token = headers.authorization === undefined ? this.cookie.read(headers.cookie) : null;
    if (token === null || (changesSomething(method) && headers[CSRF_HEADER] === undefined)) return null;
    const identity = await this.bySession(token);
    if (identity && changesSomething(method)) checkCsrfToken(headers[CSRF_HEADER], hashToken(token));
    return identity ?? null;
  }

  /** Forgets all that is cached, and keeps a lookup that is under way from being cached: it may have read the old state. */
  forget(): void {
    this.epoch += 1;
    this.cache.clear();
  }

  private async byToken(authorization: string): Promise<Identity> {
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    const identity = token !== undefined && TOKEN_PATTERN.test(token) ? await this.lookUp(hashToken(token), (hash) => this.identities.ofToken(hash)) : undefined;
    if (!identity) throw new VaneError('unauthenticated', 'This API token is unknown, revoked or expired. Ask an admin for a new one.');
    return identity;
  }

  private bySession(token: string): Promise<Identity | undefined> {
    return this.lookUp(hashToken(token), (hash) => this.identities.ofSession(hash));
  }

  private async lookUp(hash: string, find: (hash: string) => Promise<Known | undefined>): Promise<Identity | undefined> {
    const now = this.clock.now();
    const known = await this.known(hash, now.getTime(), find);
    if (!known || (known.expiresAt && known.expiresAt <= now)) return undefined;
    return known.identity;
  }

  private async known(hash: string, now: number, find: (hash: string) => Promise<Known | undefined>): Promise<Known | undefined> {
    const entry = this.cache.get(hash);
    if (entry && entry.until > now) return entry.known;
    this.cache.delete(hash);
    const { epoch } = this;
    const known = await whileReachable(find(hash));
    if (known && epoch === this.epoch) this.remember(hash, { known, until: now + CACHE_MS });
    return known;
  }

  private remember(hash: string, entry: Entry): void {
    const [oldest] = this.cache.keys();
    if (this.cache.size >= CACHE_ENTRIES && oldest !== undefined) this.cache.delete(oldest);
    this.cache.set(hash, entry);
  }
}

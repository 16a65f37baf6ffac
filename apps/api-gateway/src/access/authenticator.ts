import { Injectable } from '@nestjs/common';
import { ROLES, VaneError, type Role } from '@vane/contracts';
import { Database } from '@vane/db';
import { Clock } from '@vane/runtime';
import { whileReachable } from '../reachable.js';
import type { Identity } from './identity.js';
import { hashToken, TOKEN_PATTERN } from './token.js';

/** How long another process may still accept a revoked token. */
const CACHE_MS = 5_000;
const CACHE_ENTRIES = 1_000;

type Known = Identity & { expiresAt: Date | null };
type Entry = { known: Known; until: number };

/** Tells whose token a request carries. Only tokens that exist are cached, so a new one works at once. */
@Injectable()
export class Authenticator {
  private readonly cache = new Map<string, Entry>();
  private epoch = 0;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Reads the Authorization header (RFC 6750 section 2.1). Throws `unauthenticated` when it names no valid token and
   * `unavailable` when that cannot be told.
   */
  async authenticate(authorization: string | undefined): Promise<Identity> {
    if (authorization === undefined) {
      throw new VaneError('unauthenticated', 'Send your API token as "Authorization: Bearer vat_...".');
    }
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    const known = token !== undefined && TOKEN_PATTERN.test(token) ? await this.lookUp(hashToken(token)) : undefined;
    if (!known || (known.expiresAt && known.expiresAt <= this.clock.now())) {
      throw new VaneError('unauthenticated', 'This API token is unknown, revoked or expired. Ask an admin for a new one.');
    }
    return known;
  }

  /** Forgets every cached token, and keeps a lookup that is under way from being cached: it may have read the old state. */
  forget(): void {
    this.epoch += 1;
    this.cache.clear();
  }

  private async lookUp(tokenHash: string): Promise<Known | undefined> {
    const now = this.clock.now().getTime();
    const entry = this.cache.get(tokenHash);
    if (entry && entry.until > now) return entry.known;
    this.cache.delete(tokenHash);
    const { epoch } = this;
    const row = await whileReachable(this.database.prisma.apiToken.findUnique({ where: { tokenHash } }));
    if (!row || !hasKnownRole(row)) return undefined;
    const { id: actorId, workspaceId, role, userId, name: label, expiresAt } = row;
    const known = { actorId, workspaceId, role, userId, label, expiresAt };
    if (epoch === this.epoch) this.remember(tokenHash, { known, until: now + CACHE_MS });
    return known;
  }

  private remember(tokenHash: string, entry: Entry): void {
    const [oldest] = this.cache.keys();
    if (this.cache.size >= CACHE_ENTRIES && oldest !== undefined) this.cache.delete(oldest);
    this.cache.set(tokenHash, entry);
  }
}

const hasKnownRole = <Row extends { role: string }>(row: Row): row is Row & { role: Role } => (ROLES as readonly string[]).includes(row.role);

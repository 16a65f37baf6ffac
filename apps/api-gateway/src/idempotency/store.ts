import { Injectable } from '@nestjs/common';
import { holdsSecret, VaneError } from '@vane/contracts';
import { Database, Vault } from '@vane/db';
import { Clock } from '@vane/runtime';
import type { RestOperation } from '../http/input.js';
import type { Answer } from '../http/problem.js';
import { whileReachable } from '../reachable.js';
import { deleteInBatches } from '../retention.js';
import { fingerprintOf } from './once.js';

/** How long an answer is replayed. */
export const KEPT_MS = 24 * 3_600_000;

export type KeyedCall = { actorId: string; key: string; fingerprint: string };

/** Either this call has to be made, under a lease, or it was made before and this was its answer. */
export type Claim = { kind: 'run'; lockedUntil: Date } | { kind: 'replay'; answer: Answer };

type Row = { fingerprint: string; status: number | null; headers: Record<string, string> | null; body: string | null; locked_until: Date };

/**
 * Idempotency keys in Postgres. The lease of a row is also its fencing token: whoever takes over sets a later one, so the
 * answer of a call that was thought dead is not written over that of its successor.
 */
@Injectable()
export class IdempotencyStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly vault: Vault,
  ) {}

  /** What is kept of a request: a hash, keyed where the operation takes a secret, so that nobody can try secrets against it. */
  async fingerprint(operation: RestOperation, input: Record<string, unknown>): Promise<string> {
    const hash = fingerprintOf(operation, input);
    return holdsSecret(operation.input) ? whileReachable(this.vault.digest(hash, null)) : hash;
  }

  /**
   * Claims a key, or finds its answer. Throws `idempotency_mismatch` when it was used for another request, and
   * `idempotency_in_flight` while the first is running.
   */
  async claim(call: KeyedCall, leaseMs: number): Promise<Claim> {
    for (let tries = 0; tries < 3; tries += 1) {
      const lockedUntil = this.clock.in(leaseMs);
      if (await this.take(call, lockedUntil)) return { kind: 'run', lockedUntil };
      const row = await this.read(call);
      if (row) return this.judge(row, call);
      // The first call failed in between and gave the key back.
    }
    throw new VaneError('idempotency_in_flight', 'This idempotency key is being used by other calls. Try again shortly.', { retryAfterMs: 1_000 });
  }

  /** Keeps the answer, unless the lease ended and another call has taken over. */
  async keep(call: KeyedCall, lockedUntil: Date, answer: Answer): Promise<void> {
    await whileReachable(
      this.database.prisma.idempotencyKey.updateMany({
        where: { actorId: call.actorId, key: call.key, status: null, lockedUntil },
        data: { status: answer.status, headers: answer.headers, body: answer.body },
      }),
    );
  }

  /** Gives the key back: the call had no answer worth keeping, so the next one makes it anew. */
  async release(call: KeyedCall, lockedUntil: Date): Promise<void> {
    await whileReachable(
      this.database.prisma.idempotencyKey.deleteMany({ where: { actorId: call.actorId, key: call.key, status: null, lockedUntil } }),
    );
  }

  /** Deletes what is kept no longer, in batches; returns how many. */
  async sweep(): Promise<number> {
    const ended = [this.clock.in(-KEPT_MS), this.clock.now()];
    return deleteInBatches(this.database, 'idempotency_key', 'created_at <= $1 AND locked_until <= $2', ended, 'actor_id, key');
  }

  /** One statement, so that of any number of calls at once exactly one gets the key. */
  private async take({ actorId, key, fingerprint }: KeyedCall, lockedUntil: Date): Promise<boolean> {
    const { rowCount } = await whileReachable(
      this.database.pool.query(
        `INSERT INTO idempotency_key (actor_id, key, fingerprint, locked_until, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (actor_id, key) DO UPDATE
           SET fingerprint = excluded.fingerprint, locked_until = excluded.locked_until, created_at = excluded.created_at,
               status = NULL, headers = NULL, body = NULL
           WHERE idempotency_key.locked_until <= $5
             AND (idempotency_key.created_at <= $6
                  OR (idempotency_key.status IS NULL AND idempotency_key.fingerprint = excluded.fingerprint))`,
        [actorId, key, fingerprint, lockedUntil, this.clock.now(), this.clock.in(-KEPT_MS)],
      ),
    );
    return rowCount === 1;
  }

  private async read({ actorId, key }: KeyedCall): Promise<Row | undefined> {
    const { rows } = await whileReachable(
      this.database.pool.query<Row>(
        'SELECT fingerprint, status, headers, body, locked_until FROM idempotency_key WHERE actor_id = $1 AND key = $2',
        [actorId, key],
      ),
    );
    return rows[0];
  }

  private judge(row: Row, call: KeyedCall): Claim {
    if (row.fingerprint !== call.fingerprint) {
      throw new VaneError('idempotency_mismatch', 'This Idempotency-Key was used for another request. Take a new key for each request.');
    }
    if (row.status === null) {
      const retryAfterMs = Math.max(1_000, Math.min(5_000, row.locked_until.getTime() - this.clock.now().getTime()));
      throw new VaneError('idempotency_in_flight', 'The first request with this Idempotency-Key is still running. Ask again shortly for its answer.', { retryAfterMs });
    }
    return { kind: 'replay', answer: { status: row.status, headers: row.headers ?? {}, body: row.body ?? '' } };
  }
}

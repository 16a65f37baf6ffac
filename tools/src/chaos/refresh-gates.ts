import type pg from 'pg';
import { Database } from '@vane/db';
import { eventually } from '@vane/testing';

/** Statements of a refresh that can be held: the one that declares the request, and the one that stores its answer. */
export type Gate = 'intent' | 'commit';

const KEYS: Record<Gate, number> = { intent: 1, commit: 2 };
const HELD_WITHIN_MS = 10_000;

/** A held statement waits under a shared advisory lock, which costs nothing as long as nobody holds the other half. */
const INSTALL = `
  CREATE FUNCTION chaos_gate() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint); RETURN NEW; END $$;
  CREATE TRIGGER chaos_intent BEFORE UPDATE ON connection FOR EACH ROW
    WHEN (NEW.refresh_intent_at IS NOT NULL AND NEW.refresh_intent_at IS DISTINCT FROM OLD.refresh_intent_at)
    EXECUTE FUNCTION chaos_gate(${KEYS.intent});
  CREATE TRIGGER chaos_commit BEFORE UPDATE ON connection FOR EACH ROW
    WHEN (NEW.generation > OLD.generation) EXECUTE FUNCTION chaos_gate(${KEYS.commit})`;

/**
 * Holds a process at a statement of its refresh, from outside and for as long as needed. After a kill the statement is
 * still at the server: `drop` makes it as if it had never arrived, `open` lets it go on without its sender.
 */
export class RefreshGates {
  private constructor(
    private readonly database: Database,
    private readonly holder: pg.PoolClient,
  ) {}

  static async install(database: Database): Promise<RefreshGates> {
    await database.pool.query(INSTALL);
    return new RefreshGates(database, await database.pool.connect());
  }

  async shut(gate: Gate): Promise<void> {
    await this.holder.query('SELECT pg_advisory_lock($1)', [KEYS[gate]]);
  }

  /** Resolves when a statement is held. */
  async held(gate: Gate): Promise<void> {
    await eventually(`A statement at the gate "${gate}"`, async () => (await this.waiting(gate)).length > 0, { timeoutMs: HELD_WITHIN_MS, everyMs: 5 });
  }

  async open(gate: Gate): Promise<void> {
    await this.holder.query('SELECT pg_advisory_unlock($1)', [KEYS[gate]]);
  }

  /** Ends the held statement with its connection, then opens the gate. */
  async drop(gate: Gate): Promise<void> {
    for (const pid of await this.waiting(gate)) await this.database.pool.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
    await this.open(gate);
  }

  close(): void {
    this.holder.release(true);
  }

  private async waiting(gate: Gate): Promise<number[]> {
    const query = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1`;
    return (await this.database.pool.query<{ pid: number }>(query, [KEYS[gate]])).rows.map(({ pid }) => pid);
  }
}

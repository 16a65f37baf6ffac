import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.js';
import { PreparingClient } from './prepared-statements.js';
import { scopeToWorkspace } from './workspace-scope.js';
import type { ScopedPrisma } from './workspace-scope.js';

const STATEMENT_TIMEOUT_MS = 30_000;

export type DatabaseOptions = {
  /** `postgres://user:password@host:port/database`. */
  url: string;
  /** Shown in `pg_stat_activity`. */
  applicationName: string;
  /** Size of the pool that Prisma and raw SQL share. Default 10. */
  maxConnections?: number;
  /** Told when an idle connection is lost, for example because Postgres restarts; the next query opens a new one. */
  onConnectionLost?: (error: Error) => void;
};

/** One pool of connections to Postgres, used by Prisma and by raw SQL. Survives restarts of Postgres. */
export class Database {
  private constructor(
    readonly pool: pg.Pool,
    /** Not scoped to a workspace: for work of the instance. Everything done for a workspace goes through `forWorkspace`. */
    readonly prisma: PrismaClient,
  ) {}

  /** Opens connections only when they are needed. Statements end after 30 s. */
  static connect({ url, applicationName, maxConnections = 10, onConnectionLost }: DatabaseOptions): Database {
    const pool = new pg.Pool({
      Client: PreparingClient,
      connectionString: url,
      application_name: applicationName,
      max: maxConnections,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: 2 * STATEMENT_TIMEOUT_MS,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    pool.on('error', (error) => onConnectionLost?.(error));
    // The pool listens to idle clients only: one that is lost while it is checked out would end the process.
    pool.on('connect', (client) => client.on('error', () => undefined));
    return new Database(pool, new PrismaClient({ adapter: new PrismaPg(pool) }));
  }

  /** The same client, able to see and touch rows of this workspace only. */
  forWorkspace(workspaceId: string): ScopedPrisma {
    return scopeToWorkspace(this.prisma, workspaceId);
  }

  /** Runs `fn` within one transaction (READ COMMITTED) on one connection: committed when it resolves, else rolled back. */
  async transaction<T>(fn: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('BEGIN');
      const result = await fn(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Resolves when Postgres answers. */
  async ping(): Promise<void> {
    await this.pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.prisma.$disconnect();
    if (!this.pool.ended) await this.pool.end();
  }
}

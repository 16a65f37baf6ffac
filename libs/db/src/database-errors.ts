const UNIQUE_VIOLATION = '23505';
const SERIALIZATION_FAILURES = ['40001', '40P01'];

/**
 * Whether a unique or primary key refused the row: Prisma's P2002 or Postgres' 23505, also as the cause of another error.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const isUniqueViolation = (error: unknown): boolean =>
  codesOf(error).some((code) => code === 'P2002' || code === UNIQUE_VIOLATION);

/** Whether the transaction lost against another (serialization failure or deadlock) and may be repeated as a whole. */
export const isSerializationFailure = (error: unknown): boolean =>
  codesOf(error).some((code) => code === 'P2034' || SERIALIZATION_FAILURES.includes(code));

/** Codes along the chain of causes: `code` of pg and Prisma, `originalCode` of Prisma's driver adapter. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let link = error, depth = 0; link && typeof link === 'object' && depth < 8; depth += 1) {
    const { code, originalCode, meta, cause } = link as Record<string, unknown>;
    for (const value of [code, originalCode]) if (typeof value === 'string') codes.push(value);
    link = cause ?? (meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError;
  }
  return codes;
}

import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';

/** Members that never reach a log line, at the top level or one below. */
const SECRET_FIELDS = [
  'authorization', 'cookie', 'password', 'secret', 'secrets', 'token', 'accessToken', 'refreshToken', 'clientSecret',
  'state', 'verifier', 'signature', 'key', 'apiKey', 'callbackUrl', 'browserToken', 'ticket',
];

/** Structured log: facts as fields, a constant lower-case message, an error under `err`. Payloads and secrets never. */
export abstract class Logger {
  abstract child(fields: Record<string, unknown>): Logger;
  abstract debug(fields: Record<string, unknown>, message: string): void;
  abstract info(fields: Record<string, unknown>, message: string): void;
  abstract warn(fields: Record<string, unknown>, message: string): void;
  abstract error(fields: Record<string, unknown>, message: string): void;
}

let diverted: DestinationStream | undefined;

/** From now on every logger that is made writes there, all that it is told, instead of to stdout: for tests that read it. */
export function divertLogs(destination: DestinationStream): void {
  diverted = destination;
}

export function createLogger({ app, level }: { app: string; level: string }, destination = diverted): Logger {
  const redact = { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '***' };
  const settings = { name: app, level: diverted ? 'debug' : level, redact, base: { app }, serializers: { err: loggedError } };
  return (destination ? pino(settings, destination) : pino(settings)) as unknown as Logger & PinoLogger;
}

type LoggedError = { type: string; message: string; code?: string | number; stack?: string; cause?: LoggedError };

/** Causes beyond this depth are left out, which also ends a chain that leads back to itself. */
const MAX_CAUSES = 5;

/** Only what says what went wrong: other members of an error may hold what was sent, such as the AUTH of a Redis client. */
function loggedError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: masked(typeof error === 'string' ? error : 'not an error') };
  const { code } = error as { code?: unknown };
  return {
    type: error.constructor.name,
    message: masked(error.message),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: masked(error.stack) }),
    ...(error.cause === undefined || error.cause === null || depth >= MAX_CAUSES ? {} : { cause: loggedError(error.cause, depth + 1) }),
  };
}

/** Without the user and password of URLs (RFC 3986 section 3.2.1). */
const masked = (text: string): string => text.replace(/([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#"'<>]*@/gi, '$1***@');

/** Lets Nest's own messages take the same way. */
export function nestLogger(logger: Logger): LoggerService {
  const context = (params: unknown[]) => ({ context: params.at(-1) });
  return {
    log: (message: unknown, ...params: unknown[]) => logger.debug(context(params), String(message)),
    debug: (message: unknown, ...params: unknown[]) => logger.debug(context(params), String(message)),
    verbose: (message: unknown, ...params: unknown[]) => logger.debug(context(params), String(message)),
    warn: (message: unknown, ...params: unknown[]) => logger.warn(context(params), String(message)),
    error: (message: unknown, ...params: unknown[]) => logger.error(context(params), String(message)),
    fatal: (message: unknown, ...params: unknown[]) => logger.error(context(params), String(message)),
  };
}

import type { SandboxRequest, SandboxResponse, ScriptFailureClass, ScriptFailureCode, ScriptLimits, ScriptLog } from './script-types.js';

/** One compiled module: `map` is its source map as JSON, `file` the name shown in stacks. */
export type CompiledScript = { code: string; map: string; file: string };

export type RunMessage = {
  type: 'run';
  run: number;
  script: CompiledScript;
  /** JSON texts, parsed inside the interpreter only. */
  event: string;
  ctx: string;
  /** Values to mask in everything a person gets to read. */
  masked: string[];
  limits: ScriptLimits;
};

export type FetchedMessage =
  | { type: 'fetched'; run: number; id: number; ok: true; response: SandboxResponse }
  | { type: 'fetched'; run: number; id: number; ok: false; message: string };

export type ToChild = RunMessage | FetchedMessage;

/** The child's verdict; `result` is JSON text. */
export type Verdict =
  | { ok: true; result: string }
  | { ok: false; class: ScriptFailureClass; code: ScriptFailureCode; message: string; stack?: string };

export type FromChild =
  | { type: 'ready' }
  | { type: 'logs'; run: number; entries: ScriptLog[]; truncated: boolean }
  | { type: 'fetch'; run: number; id: number; request: SandboxRequest }
  /** `spent`: the child must not be given another run. */
  | { type: 'done'; run: number; verdict: Verdict; spent: boolean };

/** The longest request body a script may send and the longest answer it may get, in UTF-16 code units. */
export const maxFetchBody = 2 * 1024 * 1024;

/** The parent kills a child that sends a longer frame: an honest child cannot (a control character is six bytes in JSON). */
export const maxFrameBytes = 6 * maxFetchBody + 1024 * 1024;

export function encodeFrame(message: ToChild | FromChild): string {
  return `${JSON.stringify(message)}\n`;
}

/** Splits a byte stream into newline-ended JSON texts; throws when one grows over `maxBytes`. */
export function frameReader(maxBytes: number, onFrame: (text: string) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      parts.push(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      const frame = Buffer.concat(parts).toString('utf8');
      parts = [];
      size = 0;
      onFrame(frame);
    }
    parts.push(rest);
    size += rest.length;
    if (size > maxBytes) throw new RangeError(`A frame is longer than ${maxBytes} bytes.`);
  };
}

const isText = (value: unknown): value is string => typeof value === 'string';
const levels = new Set(['log', 'info', 'warn', 'error', 'debug']);

function isLog(value: unknown): value is ScriptLog {
  const log = value as ScriptLog | null;
  return typeof log === 'object' && log !== null && typeof log.at === 'number' && levels.has(log.level) && isText(log.text);
}

function isRequest(value: unknown): value is SandboxRequest {
  const request = value as SandboxRequest | null;
  if (typeof request !== 'object' || request === null || !isText(request.url) || !isText(request.method)) return false;
  if (typeof request.headers !== 'object' || request.headers === null) return false;
  return Object.values(request.headers).every(isText) && (request.body === undefined || isText(request.body));
}

function isVerdict(value: unknown): value is Verdict {
  const verdict = value as Verdict | null;
  if (typeof verdict !== 'object' || verdict === null) return false;
  return verdict.ok === true ? isText(verdict.result) : verdict.ok === false && isText(verdict.code) && isText(verdict.message);
}

/** Reads a frame of a child without trusting it; undefined when it is not one an honest child sends. */
export function parseFromChild(text: string): FromChild | undefined {
  let message: FromChild;
  try {
    message = JSON.parse(text) as FromChild;
  } catch {
    return undefined;
  }
  switch (message?.type) {
    case 'ready':
      return message;
    case 'logs':
      return Array.isArray(message.entries) && message.entries.every(isLog) ? message : undefined;
    case 'fetch':
      return Number.isSafeInteger(message.id) && isRequest(message.request) ? message : undefined;
    case 'done':
      return isVerdict(message.verdict) ? message : undefined;
    default:
      return undefined;
  }
}

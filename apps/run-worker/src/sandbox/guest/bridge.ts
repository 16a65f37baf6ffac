/** The one door out of the interpreter: an operation's name and its arguments as JSON; the answer as JSON. */
export type HostCall = (operation: string, json: string) => string | undefined;

export type Bridge = (operation: string, ...args: unknown[]) => unknown;

// Kept before the script runs, which may replace them.
export const { parse, stringify } = JSON;

// The host's errors arrive as plain ones that carry the right name.
function ownError(error: Error): Error {
  if (error.name === 'RangeError') return new RangeError(error.message);
  return error.name === 'TypeError' ? new TypeError(error.message) : error;
}

export function createBridge(host: HostCall): Bridge {
  return (operation, ...args) => {
    let answer: string | undefined;
    try {
      answer = host(operation, stringify(args));
    } catch (error) {
      throw ownError(error as Error);
    }
    return answer === undefined ? undefined : parse(answer);
  };
}

/** Puts a global where a script expects it: not enumerable, replaceable. */
export function defineGlobals(globals: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
}

/** An expected failure: its message is a whole sentence that says what to do. */
export class Problem extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'Problem';
    this.exitCode = exitCode;
  }
}

/** One line of progress. @param {string} line */
export function say(line) {
  process.stdout.write(`${line}\n`);
}

/** A URL that may be printed: without its password. @param {string} url */
export function maskUrl(url) {
  return url.replace(/(\/\/[^:/@]*):[^@]*@/, '$1:***@');
}

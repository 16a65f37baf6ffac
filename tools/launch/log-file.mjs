import { closeSync, mkdirSync, openSync, fstatSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const defaultLimit = 10 * 1024 * 1024;

/** An append-only file that is moved to `<path>.1` when it has grown to its limit, so that two limits are the most it takes. */
export class LogFile {
  /** @type {number | undefined} */ #file;
  #size = 0;

  /** @param {string} path @param {number} [limit] in bytes */
  constructor(path, limit = defaultLimit) {
    this.path = path;
    this.limit = limit;
    mkdirSync(dirname(path), { recursive: true });
    this.#open();
  }

  #open() {
    this.#file = openSync(this.path, 'a', 0o600);
    this.#size = fstatSync(this.#file).size;
  }

  /** @param {Buffer | string} chunk */
  write(chunk) {
    if (this.#file === undefined) return;
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    if (this.#size > 0 && this.#size + bytes.length > this.limit) {
      this.close();
      renameSync(this.path, `${this.path}.1`);
      this.#open();
    }
    try {
      this.#size += writeSync(/** @type {number} */ (this.#file), bytes);
    } catch {
      // A full disk must cost the log, not the supervisor and with it every app.
    }
  }

  close() {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }
}

import type { Masker } from './masking.js';
import type { ScriptLog, ScriptLogLevel } from './script-types.js';

const flushBytes = 16 * 1024;
const flushMs = 50;
/** Counted for every entry on top of its text, so that empty lines are bounded too. */
export const entryOverhead = 16;

type Send = (entries: ScriptLog[], truncated: boolean) => void;

/**
 * Masks, bounds and sends on a run's console output in batches, so that what was printed before a kill is not
 * lost and a chatty script costs the parent few messages.
 */
export class LogCollector {
  private entries: ScriptLog[] = [];
  private pending = 0;
  private left: number;
  private lastFlush = -flushMs;
  private truncated = false;

  constructor(private readonly options: { bytes: number; masker: Masker; now: () => number; send: Send }) {
    this.left = options.bytes;
  }

  /** `cut`: the interpreter handed over only the beginning of the text. */
  add(level: ScriptLogLevel, raw: string, cut: boolean): void {
    const at = Math.round(this.options.now());
    if (this.left <= entryOverhead) {
      if (!this.truncated) this.flush(true);
      return;
    }
    let text = this.options.masker.mask(raw);
    // The cut may have gone through a secret, whose beginning would then show.
    if (cut) text = text.slice(0, Math.max(0, text.length - this.options.masker.longest));
    const room = this.left - entryOverhead;
    const bytes = Buffer.from(text);
    const overflow = bytes.length > room;
    if (overflow) text = bytes.subarray(0, room).toString('utf8').replace(/\uFFFD$/u, '');
    this.left -= Math.min(bytes.length, room) + entryOverhead;
    this.pending += Math.min(bytes.length, room);
    this.entries.push({ at, level, text });
    if (overflow || cut) this.truncated = true;
    if (overflow || this.pending > flushBytes || at - this.lastFlush >= flushMs) this.flush(this.truncated);
  }

  flush(truncated = this.truncated): void {
    this.truncated = truncated;
    if (this.entries.length === 0 && !truncated) return;
    this.options.send(this.entries, truncated);
    this.entries = [];
    this.pending = 0;
    this.lastFlush = Math.round(this.options.now());
  }
}

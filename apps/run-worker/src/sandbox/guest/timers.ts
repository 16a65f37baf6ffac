import type { Bridge } from './bridge.js';

type Callback = (...args: unknown[]) => void;

/** Timers whose callbacks stay inside; the host only counts time and calls `fire`. */
export function createTimers(call: Bridge) {
  const callbacks = new Map<number, () => void>();
  let last = 0;
  return {
    setTimeout(callback: Callback, delay = 0, ...args: unknown[]): number {
      if (typeof callback !== 'function') throw new TypeError('setTimeout needs a function');
      const id = ++last;
      call('timer', id, Math.min(Math.max(Number(delay) || 0, 0), 2_147_483_647));
      callbacks.set(id, () => callback(...args));
      return id;
    },
    clearTimeout(id?: unknown): void {
      if (typeof id === 'number' && callbacks.delete(id)) call('clearTimer', id);
    },
    fire(id: number): void {
      const callback = callbacks.get(id);
      callbacks.delete(id);
      callback?.();
    },
  };
}

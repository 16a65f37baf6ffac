import { SourceMap } from 'node:module';
import type { CompiledScript } from './protocol.js';

/** Names the interpreter sees for the two programs it runs. */
export const scriptName = 'vane-script.js';
export const guestName = 'vane-guest.js';

const position = /vane-script\.js:(\d+)(?::(\d+))?/gu;
const guestFrame = /^.*vane-guest\.js.*\n?/gmu;

/** Turns positions in the compiled module into the author's own lines and drops frames of our own code. */
export function positionMapper(script: CompiledScript): (text: string) => string {
  let map: SourceMap | undefined;
  const lookup = (line: number, column: number): string => {
    try {
      map ??= new SourceMap(JSON.parse(script.map));
      const entry = map.findEntry(line - 1, column - 1);
      if ('originalLine' in entry) return `${script.file}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    } catch {
      // A source map the author brought along may be broken; the compiled position is still of use.
    }
    return `${script.file}:${line}:${column}`;
  };
  return (text) => {
    if (!text.includes('vane-')) return text;
    return text.replace(guestFrame, '').replace(position, (_, line: string, column?: string) => lookup(Number(line), Number(column ?? 1)));
  };
}

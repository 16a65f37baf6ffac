const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Base64 of a text whose characters are bytes (WHATWG `btoa`). */
export function btoa(input: unknown): string {
  const text = String(input);
  let out = '';
  for (let at = 0; at < text.length; at += 3) {
    const bytes = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)];
    if (bytes.some((byte) => byte > 255)) throw new RangeError('btoa takes characters up to U+00FF; encode the text with TextEncoder first.');
    const [a = 0, b = 0, c = 0] = bytes.map((byte) => byte || 0);
    const left = text.length - at;
    out += alphabet.charAt(a >> 2) + alphabet.charAt(((a & 3) << 4) | (b >> 4));
    out += (left > 1 ? alphabet.charAt(((b & 15) << 2) | (c >> 6)) : '=') + (left > 2 ? alphabet.charAt(c & 63) : '=');
  }
  return out;
}

/** The bytes of a base64 text, one character each (WHATWG `atob`). */
export function atob(input: unknown): string {
  const text = String(input).replace(/[\t\n\f\r ]/gu, '').replace(/={1,2}$/u, '');
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/u.test(text)) throw new RangeError('atob was given a text that is not base64.');
  let [out, bits, count] = ['', 0, 0];
  for (const character of text) {
    bits = ((bits << 6) | alphabet.indexOf(character)) & 0xffffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += String.fromCharCode((bits >> count) & 255);
  }
  return out;
}

function encodePoint(point: number, out: number[]): void {
  if (point < 0x80) out.push(point);
  else if (point < 0x800) out.push(0xc0 | (point >> 6), 0x80 | (point & 63));
  else if (point < 0x10000) out.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  else out.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
}

/** UTF-8 only, as the Encoding standard has it. */
export class TextEncoder {
  readonly encoding = 'utf-8';

  encode(input: unknown = ''): Uint8Array {
    const out: number[] = [];
    for (const character of String(input)) {
      const point = character.codePointAt(0) as number;
      encodePoint(point >= 0xd800 && point <= 0xdfff ? 0xfffd : point, out);
    }
    return Uint8Array.from(out);
  }
}

/** UTF-8 only; a malformed sequence becomes U+FFFD. */
export class TextDecoder {
  readonly encoding = 'utf-8';

  constructor(label = 'utf-8') {
    if (!/^utf-?8$/iu.test(label)) throw new RangeError('TextDecoder knows utf-8 only.');
  }

  decode(input: ArrayBuffer | ArrayBufferView = new Uint8Array()): string {
    const bytes = ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
    let out = '';
    for (let at = 0; at < bytes.length; ) {
      const [point, used] = decodePoint(bytes, at);
      out += String.fromCodePoint(point);
      at += used;
    }
    return out.startsWith('\uFEFF') ? out.slice(1) : out;
  }
}

function decodePoint(bytes: Uint8Array, at: number): [point: number, used: number] {
  const first = bytes[at] as number;
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || first >= 0xf5) return [0xfffd, 1];
  let point = first & (0xff >> (length + 1));
  for (let next = 1; next < length; next += 1) {
    const byte = bytes[at + next];
    if (byte === undefined || (byte & 0xc0) !== 0x80) return [0xfffd, next];
    point = (point << 6) | (byte & 63);
  }
  const least = [0, 0, 0x80, 0x800, 0x10000][length] as number;
  const valid = point >= least && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return valid ? [point, length] : [0xfffd, 1];
}

export type Needle = { encoding: string; bytes: Buffer };

/**
 * The forms in which a secret could stand in a larger text: plain, base64 (RFC 4648 section 4) and base64url (section 5)
 * at each of the three places it can have among the bytes that are encoded with it, hex (section 8), percent-encoded
 * (RFC 3986 section 2.1) and as a string of JSON. What base64 text its neighbours change is left out of the form.
 */
export function needlesOf(secret: string): Needle[] {
  const bytes = Buffer.from(secret);
  const percent = encodeURIComponent(secret);
  const forms: [encoding: string, text: string][] = [
    ['plain', secret],
    ...[0, 1, 2].map((before): [string, string] => [`base64 (${before})`, base64At(bytes, before)]),
    ...[0, 1, 2].map((before): [string, string] => [`base64url (${before})`, toUrl(base64At(bytes, before))]),
    ['hex', bytes.toString('hex')],
    ['hex', bytes.toString('hex').toUpperCase()],
    ['URL', percent],
    ['URL', percent.replace(/%../g, (code) => code.toLowerCase())],
    ['URL', new URLSearchParams({ _: secret }).toString().slice(2)],
    ['URL', [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')],
    ['URL', [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['JSON', secret.replaceAll('/', '\\/')],
  ];
  const first = new Map<string, string>();
  for (const [encoding, text] of forms) if (!first.has(text)) first.set(text, encoding);
  return [...first].map(([text, encoding]) => ({ encoding, bytes: Buffer.from(text) }));
}

/** The characters of base64 that depend on these bytes alone, when `before` other bytes of a group of three precede them. */
function base64At(bytes: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64').replace(/=+$/, '');
  const shared = [0, 2, 3][before]!;
  const whole = (before + bytes.length) % 3 === 0;
  return text.slice(shared, whole ? undefined : -1);
}

const toUrl = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_');

/** What Postgres refuses in text and jsonb: U+0000 and halves of surrogate pairs. */
export function storableText(text: string): string {
  return Buffer.from(text.replaceAll('\0', '')).toString();
}

/**
 * A JSON value as text for a jsonb column, or undefined when it is no JSON value, or nested too deeply to be written.
 */
export function storableJson(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value);
    return /\\u(0000|d[89a-f])/i.test(text) ? JSON.stringify(clean(value)) : text;
  } catch {
    return undefined;
  }
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [storableText(key), clean(member)]));
}

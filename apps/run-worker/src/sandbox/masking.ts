/** Shorter values are left alone: masking every "1" would make logs unreadable and hide nothing. */
const shortest = 4;

function forms(value: string): string[] {
  const lines = value.split(/\r?\n/u).filter((line) => line.length >= 16);
  const all = [value, JSON.stringify(value).slice(1, -1), ...lines];
  try {
    all.push(encodeURIComponent(value));
  } catch {
    // A lone surrogate has no URL-encoded form.
  }
  return all;
}

/** Collects what must not appear in anything a person reads: secrets, and every longer text inside `auth`. */
export function valuesToMask(secrets: Record<string, string>, auth: unknown): string[] {
  const values = Object.values(secrets).filter((value) => typeof value === 'string');
  const visit = (node: unknown): void => {
    if (typeof node === 'string' && node.length >= 12) values.push(node);
    else if (typeof node === 'object' && node !== null) Object.values(node).forEach(visit);
  };
  visit(auth);
  return values;
}

export type Masker = {
  mask: (text: string) => string;
  /** Masks every string inside a JSON value, names of members included. */
  maskJson: (value: unknown) => unknown;
  longest: number;
};

/** Replaces each value, also in its JSON-escaped and URL-encoded form, by `***`; longer values first. */
export function createMasker(values: readonly string[]): Masker {
  const needles = [...new Set(values.flatMap(forms))].filter((value) => value.length >= shortest).sort((a, b) => b.length - a.length);
  const mask = (text: string): string => needles.reduce((masked, needle) => masked.replaceAll(needle, '***'), text);
  const maskJson = (value: unknown): unknown => {
    if (typeof value === 'string') return mask(value);
    if (Array.isArray(value)) return value.map(maskJson);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [mask(name), maskJson(inner)]));
  };
  return {
    longest: needles[0]?.length ?? 0,
    mask,
    maskJson: (value) => (needles.length === 0 ? value : maskJson(value)),
  };
}

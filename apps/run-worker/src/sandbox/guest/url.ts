import type { Bridge } from './bridge.js';

const parts = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'] as const;
type Parts = Record<(typeof parts)[number] | 'origin', string>;
type Pairs = [string, string][];
type ParamsInit = string | Iterable<[string, string]> | Record<string, string>;

function createParams(call: Bridge) {
  return class URLSearchParams {
    #pairs: Pairs;
    #changed: (() => void) | undefined;

    constructor(init: ParamsInit = '', changed?: () => void) {
      if (typeof init === 'string') this.#pairs = call('parseQuery', init) as Pairs;
      else this.#pairs = [...(Symbol.iterator in init ? init : Object.entries(init))].map(([name, value]) => [String(name), String(value)]);
      this.#changed = changed;
    }

    #replace(pairs: Pairs): void {
      this.#pairs = pairs;
      this.#changed?.();
    }

    get size(): number { return this.#pairs.length; }
    get(name: string): string | null { return this.#pairs.find(([key]) => key === name)?.[1] ?? null; }
    getAll(name: string): string[] { return this.#pairs.filter(([key]) => key === name).map(([, value]) => value); }
    has(name: string): boolean { return this.#pairs.some(([key]) => key === name); }
    append(name: string, value: unknown): void { this.#replace([...this.#pairs, [String(name), String(value)]]); }
    delete(name: string): void { this.#replace(this.#pairs.filter(([key]) => key !== name)); }
    set(name: string, value: unknown): void {
      const at = this.#pairs.findIndex(([key]) => key === name);
      if (at < 0) return this.append(name, value);
      this.#replace(this.#pairs.flatMap((pair, index): Pairs => (index === at ? [[name, String(value)]] : pair[0] === name ? [] : [pair])));
    }
    sort(): void { this.#replace([...this.#pairs].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))); }
    forEach(visit: (value: string, name: string) => void): void { this.#pairs.forEach(([name, value]) => visit(value, name)); }
    keys() { return this.#pairs.map(([name]) => name).values(); }
    values() { return this.#pairs.map(([, value]) => value).values(); }
    entries() { return this.#pairs.map(([name, value]): [string, string] => [name, value]).values(); }
    [Symbol.iterator]() { return this.entries(); }
    toString(): string { return call('formatQuery', this.#pairs) as string; }
  };
}

/** `URL` and `URLSearchParams` of the WHATWG URL standard; the parsing itself is done by the host's own. */
export function createUrl(call: Bridge) {
  const URLSearchParams = createParams(call);
  class URL {
    #parts: Parts;
    #params: InstanceType<typeof URLSearchParams> | undefined;

    constructor(url: unknown, base?: unknown) {
      this.#parts = call('parseUrl', String(url), base === undefined ? null : String(base)) as Parts;
    }

    static canParse(url: unknown, base?: unknown): boolean {
      try {
        return Boolean(new URL(url, base));
      } catch {
        return false;
      }
    }

    static read(url: URL, name: keyof Parts): string { return url.#parts[name]; }
    static write(url: URL, name: keyof Parts, value: unknown): void {
      url.#parts = call('changeUrl', url.#parts.href, name, String(value)) as Parts;
      if (name === 'href' || name === 'search') url.#params = undefined;
    }

    get searchParams(): InstanceType<typeof URLSearchParams> {
      this.#params ??= new URLSearchParams(this.#parts.search, () => {
        this.#parts = call('changeUrl', this.#parts.href, 'search', String(this.#params)) as Parts;
      });
      return this.#params;
    }

    toString(): string { return this.#parts.href; }
    toJSON(): string { return this.#parts.href; }
  }
  const { read, write } = URL;
  for (const name of parts) {
    Object.defineProperty(URL.prototype, name, {
      get(this: URL) { return read(this, name); },
      set(this: URL, value: unknown) { write(this, name, value); },
      enumerable: true,
      configurable: true,
    });
  }
  Object.defineProperty(URL.prototype, 'origin', { get(this: URL) { return read(this, 'origin'); }, enumerable: true, configurable: true });
  Reflect.deleteProperty(URL, 'read');
  Reflect.deleteProperty(URL, 'write');
  return { URL, URLSearchParams };
}

import { keepSecret } from '@vane/testing';

export type Page = { url: string; status: number; html: string };

/** How the person in front of the browser fills in the form of a page, by name of the field. */
export type FillsIn = (html: string) => Record<string, string>;

const MOST_HOPS = 20;

/**
 * A browser as far as an authorisation needs one: keeps cookies, follows redirects, and posts the forms it meets, by their
 * first button or the one that `presses` names by its address.
 */
export class Browser {
  /** By host and port. */
  readonly #cookies = new Map<string, Map<string, string>>();

  constructor(
    private readonly fillsIn: FillsIn = () => ({}),
    private readonly presses?: string,
  ) {}

  /** Goes on until a page without a form, and returns it. */
  async open(start: string): Promise<Page> {
    const end = await this.#walk(start);
    if (typeof end === 'string') throw new Error('Nothing was to stop the browser.');
    return end;
  }

  /** Goes on until it would open an address that starts with `stop`, and returns that address unopened. */
  async openUntil(start: string, stop: string): Promise<string> {
    const end = await this.#walk(start, stop);
    if (typeof end === 'string') return end;
    throw new Error(`The browser ended at ${new URL(end.url).pathname} (HTTP ${end.status}): ${end.html.slice(0, 300)}`);
  }

  async #walk(start: string, stop?: string): Promise<Page | string> {
    let next: { url: string; form?: URLSearchParams } = { url: start };
    for (let hop = 0; hop < MOST_HOPS; hop += 1) {
      const response = await this.#send(next.url, next.form);
      const location = response.headers.get('location');
      if (location !== null) {
        next = { url: new URL(location, next.url).href };
        if (stop !== undefined && next.url.startsWith(stop)) return next.url;
        continue;
      }
      const html = await response.text();
      const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1];
      if (action === undefined) return { url: next.url, status: response.status, html };
      const pressed = this.presses !== undefined && html.includes(`formaction="${this.presses}"`) ? this.presses : action;
      next = { url: new URL(pressed, next.url).href, form: this.#form(html) };
    }
    throw new Error('The browser was sent around in circles.');
  }

  async #send(url: string, form: URLSearchParams | undefined): Promise<Response> {
    const { host } = new URL(url);
    const jar = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, jar);
    const headers = { accept: 'text/html', cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') };
    const response = await fetch(url, { method: form ? 'POST' : 'GET', body: form, redirect: 'manual', headers });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /Max-Age=0\b|expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name);
      else {
        jar.set(name, value);
        keepSecret(`cookie ${name}`, value);
      }
    }
    return response;
  }

  #form(html: string): URLSearchParams {
    const form = new URLSearchParams();
    for (const [input] of html.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1];
      if (name !== undefined) form.set(name, unescape(/value="([^"]*)"/.exec(input)?.[1] ?? ''));
    }
    for (const [name, value] of Object.entries(this.fillsIn(html))) form.set(name, value);
    return form;
  }
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const unescape = (text: string): string => text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]!);

/** Grants what a consent page with a field `decision` asks for. */
export const approving = (presses?: string): Browser => new Browser(() => ({ decision: 'approve' }), presses);
export const denying = (): Browser => new Browser(() => ({ decision: 'deny' }));
/** Signs in at the pages that an OpenID provider comes with for development, and consents. */
export const signedInAs = (login: string): Browser =>
  new Browser((html): Record<string, string> => (html.includes('name="login"') ? { login, password: 'any' } : {}));

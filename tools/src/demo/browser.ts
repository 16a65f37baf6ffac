export type Page = { url: string; status: number; html: string };

const MAX_REDIRECTS = 10;

/** What a person's browser does during an authorisation: follows redirects, keeps cookies per site, presses buttons. */
export class Browser {
  private readonly cookies = new Map<string, Map<string, string>>();

  /** Opens a URL and follows redirects to the page at their end. */
  open(url: string): Promise<Page> {
    return this.go(url, { method: 'GET' });
  }

  /** Sends a form of a page as pressing its button would. */
  submit(page: Page, form: { action: string; fields: Record<string, string> }): Promise<Page> {
    return this.go(new URL(form.action, page.url).href, { method: 'POST', body: new URLSearchParams(form.fields) });
  }

  private async go(start: string, first: RequestInit): Promise<Page> {
    let url = start;
    let init = first;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const answer = await fetch(url, {
        ...init,
        redirect: 'manual',
        headers: { accept: 'text/html', cookie: this.cookieHeader(url) },
      });
      this.keepCookies(url, answer.headers.getSetCookie());
      const location = answer.headers.get('location');
      if (answer.status < 300 || answer.status >= 400 || !location) return { url, status: answer.status, html: await answer.text() };
      await answer.body?.cancel();
      url = new URL(location, url).href;
      init = { method: 'GET' };
    }
    throw new Error(`The browser was sent on more than ${MAX_REDIRECTS} times, lastly to ${new URL(url).host}.`);
  }

  private keepCookies(url: string, lines: string[]): void {
    const { host } = new URL(url);
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    for (const line of lines) {
      const [pair = ''] = line.split(';');
      const equals = pair.indexOf('=');
      jar.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim());
    }
  }

  private cookieHeader(url: string): string {
    return [...(this.cookies.get(new URL(url).host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}

/** The forms of a page with their hidden fields. */
export function formsOf(html: string): { action: string; fields: Record<string, string> }[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, attributes = '', inside = '']) => ({
    action: attribute(attributes, 'action') ?? '',
    fields: Object.fromEntries(
      [...inside.matchAll(/<input\b([^>]*)>/g)].map(([, input = '']) => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? '']),
    ),
  }));
}

function attribute(text: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1];
  return value?.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

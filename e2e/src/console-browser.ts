import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

const WIDE = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
/** Kept after a run, for people to look at; no part of the checkout. */
const PICTURES = join(import.meta.dirname, '../../test-results/console');

/** What runs in the page is text: it is of another world than this file. */
const TELL_VIOLATIONS =
  "document.addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} refuses ${event.blockedURI}`))";

/** Chromium without a sandbox, because CI runs as root. Its path comes from whoever started the tier. */
export function useBrowser(): { open: () => Promise<Tab> } {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env.VANE_CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] });
  });
  afterAll(async () => {
    await browser.close();
  });
  return {
    open: async () => {
      const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce', permissions: ['clipboard-write', 'clipboard-read'] });
      return Tab.in(context);
    },
  };
}

/** Answers that Chromium calls errors and that belong to the way: nobody is signed in yet. */
const isExpected = (text: string, url: string): boolean => url.endsWith('/api/v1/session') && text.includes('401');

/** One page, with everything that went wrong in it. */
export class Tab {
  /** Console errors, exceptions, and what the content security policy refused. */
  readonly troubles: string[] = [];

  private constructor(readonly page: Page) {}

  static async in(context: BrowserContext): Promise<Tab> {
    const page = await context.newPage();
    const tab = new Tab(page);
    page.on('console', (message) => {
      if (message.type() === 'error' && !isExpected(message.text(), message.location().url)) tab.troubles.push(`${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => tab.troubles.push(String(error)));
    await page.addInitScript({ content: TELL_VIOLATIONS });
    return tab;
  }

  /** Somebody who has signed in. */
  async as({ cookie }: { cookie: string }, url: string): Promise<void> {
    const [name = '', value = ''] = cookie.split('=');
    await this.page.context().addCookies([{ name, value, url, httpOnly: true, sameSite: 'Lax' }]);
  }

  /** Goes to a page and waits until it has its heading and shows no spinner. */
  async visit(url: string): Promise<void> {
    await this.page.goto(url);
    await this.settled();
  }

  async settled(): Promise<void> {
    await this.page.locator('h1').first().waitFor();
    await this.page.locator('.spin').first().waitFor({ state: 'detached' });
  }

  /** What axe finds that is serious, in light and dark, wide and on a phone; with a picture of each. */
  async inspect(name: string): Promise<string[]> {
    mkdirSync(PICTURES, { recursive: true });
    const found: string[] = [];
    for (const [size, viewport] of [['wide', WIDE], ['phone', PHONE]] as const) {
      await this.page.setViewportSize(viewport);
      // What measures itself, such as the editor, does so in the next frame.
      await this.page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
      for (const colorScheme of ['light', 'dark'] as const) {
        await this.page.emulateMedia({ colorScheme });
        await this.page.screenshot({ path: join(PICTURES, `${name}-${size}-${colorScheme}.png`), fullPage: true });
        // Contrast is a matter of the scheme, structure of the width: two of the four tell both.
        if ((size === 'wide') === (colorScheme === 'light')) found.push(...(await this.serious()).map((one) => `${name}, ${size}, ${colorScheme}: ${one}`));
      }
      found.push(...(await this.overflow()).map((one) => `${name}, ${size}: ${one}`));
    }
    await this.page.setViewportSize(WIDE);
    await this.page.emulateMedia({ colorScheme: 'light' });
    return found;
  }

  private async serious(): Promise<string[]> {
    // Evaluated by the debugger: the page's own policy admits no foreign script.
    if (!(await this.page.evaluate<boolean>("typeof axe === 'object'"))) await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate<axe.AxeResults>("axe.run(document, { resultTypes: ['violations'] })");
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary ?? ''})`).join('; ')}`);
  }

  /** A page that scrolls sideways is no page for a phone. */
  private async overflow(): Promise<string[]> {
    const beyond = await this.page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    return beyond > 0 ? [`it is ${beyond} pixels wider than the screen`] : [];
  }
}

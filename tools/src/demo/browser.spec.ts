import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { Browser, formsOf } from './browser.js';

describe('the browser of the demo', () => {
  it('follows redirects, and sends a cookie only back to where it came from', async () => {
    const seen: string[] = [];
    const listen = (answer: (path: string, others: string) => { location?: string; cookie?: string }, other: () => string) =>
      new Promise<{ url: string; close: () => void }>((resolve) => {
        const server = createServer((request, response) => {
          seen.push(`${request.url} ${request.headers.cookie ?? ''}`.trim());
          const { location, cookie } = answer(request.url ?? '', other());
          if (cookie) response.setHeader('set-cookie', `${cookie}; HttpOnly`);
          response.writeHead(location ? 302 : 200, location ? { location } : {}).end('end');
        });
        server.listen(0, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }));
      });
    let first = '';
    const service = await listen((_path, home) => ({ location: `${home}/callback` }), () => first);
    const home = await listen((path) => (path === '/start' ? { location: `${service.url}/authorize`, cookie: 'bound=1' } : {}), () => '');
    first = home.url;
    try {
      const page = await new Browser().open(`${home.url}/start`);
      expect(page).toMatchObject({ url: `${home.url}/callback`, status: 200, html: 'end' });
      expect(seen).toEqual(['/start', '/authorize', '/callback bound=1']);
    } finally {
      home.close();
      service.close();
    }
  });

  it('reads the hidden fields of every form', () => {
    const html = '<form method="post" action="/a?x=1&amp;y=2"><input type="hidden" name="login" value="o&quot;cat"><button></button></form><form action="/b"></form>';
    expect(formsOf(html)).toEqual([{ action: '/a?x=1&y=2', fields: { login: 'o"cat' } }, { action: '/b', fields: {} }]);
  });
});

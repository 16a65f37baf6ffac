import { describe, expect, test } from '@jest/globals';
import { VaneError } from '@vane/contracts';
import { clearedCookie, cookieName, readCookie, setCookie } from './cookie.js';
import { errorPage, successPage, wantsJson } from './pages.js';

describe('a page', () => {
  test('takes nothing it is told for markup', () => {
    const html = successPage({ service: 'some-service', accountLabel: `<img src=x onerror='a("b")'>&amp;` });
    expect(html).toContain('&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;amp;');
    expect(errorPage(new VaneError('oauth_denied', '<script>'), '"><i>')).not.toMatch(/<(script|i)>/);
  });

  test.each([
    ['unavailable', 'Reload this page'],
    ['oauth_denied', 'grant access'],
    ['oauth_state_invalid', 'in the same browser'],
  ] as const)('about %s says what to do', (code, advice) => {
    expect(errorPage(new VaneError(code, 'It went wrong.'), 'req-1')).toContain(advice);
  });
});

test.each([
  ['application/json', true],
  ['application/problem+json', true],
  ['text/html,application/json', false],
  ['*/*', false],
  [undefined, false],
])('Accept: %s asks for JSON: %s', (accept, expected) => {
  expect(wantsJson(accept)).toBe(expected);
});

describe('the cookie of the browser', () => {
  const [state, name] = ['a state', cookieName({ state: 'a state', https: false })];

  test('comes back as it was set', () => {
    const value = 'a=b; c, "d"\n';
    const header = setCookie(value, { state, maxAgeSeconds: 60, https: true });
    expect(header).toMatch(/^__Host-vane_oauth_[0-9a-f]{16}=[^;,\s"]+; Path=\/; Max-Age=60; HttpOnly; SameSite=Lax; Secure$/);
    expect(readCookie(`x=1; ${header.split(';', 1)[0]!}; y=2`, cookieName({ state, https: true }))).toBe(value);
  });

  test('has a name of its own for every state, which does not tell the state', () => {
    expect(name).toMatch(/^vane_oauth_[0-9a-f]{16}$/);
    expect(cookieName({ state: 'other', https: false })).not.toBe(name);
  });

  test.each([undefined, '', name, `${name}=`, `x${name}=1`, `${name}=%zz`, clearedCookie({ state, https: false })])('is not in %j', (header) => {
    expect(readCookie(header, name)).toBeNull();
  });
});

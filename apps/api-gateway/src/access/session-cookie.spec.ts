import { describe, expect, test } from '@jest/globals';
import { checkCsrfToken, checkOrigin, csrfTokenOf } from './csrf.js';
import { SessionCookie } from './session-cookie.js';

const TOKEN = 'a'.repeat(43);
const refusal = (work: () => void) => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('the cookie of a session', () => {
  test('is bound to the host and to https where the API is reached so', () => {
    const cookie = new SessionCookie('https://vane.example/path');
    expect(cookie.set(TOKEN)).toBe(`__Host-vane_session=${TOKEN}; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax; Secure`);
    expect(cookie.clear()).toBe('__Host-vane_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure');
    expect(cookie.origin).toBe('https://vane.example');
    expect(cookie.read(`__Host-vane_session=${TOKEN}`)).toBe(TOKEN);
    // Such a one can be set by another host of the domain.
    expect(cookie.read(`vane_session=${TOKEN}`)).toBeNull();
  });

  test('is found among others, and only in its form', () => {
    const cookie = new SessionCookie('http://127.0.0.1:3000');
    expect(cookie.read(`a=b; vane_session=${TOKEN}; c=d`)).toBe(TOKEN);
    for (const header of [undefined, '', 'a=b', `xvane_session=${TOKEN}`, `vane_session=${TOKEN}.`, 'vane_session=']) expect(cookie.read(header)).toBeNull();
  });
});

describe('a CSRF token', () => {
  test('is that of one session', () => {
    const token = csrfTokenOf('hash of a session');
    expect(token).not.toBe(csrfTokenOf('hash of another'));
    expect(() => checkCsrfToken(token, 'hash of a session')).not.toThrow();
    for (const given of [undefined, '', token.slice(1), `${token}=`, csrfTokenOf('hash of another'), [token]]) {
      expect(refusal(() => checkCsrfToken(given, 'hash of a session'))).toMatchObject({ code: 'csrf_refused', status: 403 });
    }
  });

  test('does not stand for the right origin, which clients that are no browsers do not name', () => {
    expect(() => checkOrigin(undefined, 'https://vane.example')).not.toThrow();
    expect(() => checkOrigin('https://vane.example', 'https://vane.example')).not.toThrow();
    for (const origin of ['http://vane.example', 'https://vane.example:8443', 'https://vane.example.evil.example', 'null', '']) {
      expect(refusal(() => checkOrigin(origin, 'https://vane.example'))).toMatchObject({ code: 'csrf_refused' });
    }
  });
});

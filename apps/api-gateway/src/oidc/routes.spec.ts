import { expect, test } from '@jest/globals';
import { localPath } from './routes.js';

const origin = 'https://vane.example';

test.each(['/', '/workspaces/wsp_1?tab=runs#top', '/a//b'])('%s is where to go after signing in', (path) => {
  expect(localPath(path, origin)).toBe(path);
});

test.each([
  undefined, ['/a', '/b'], '', 'workspaces', '//evil.example', '/\\evil.example', '\\\\evil.example', 'https://evil.example', 'https://vane.example/x',
  'javascript:alert(1)', '/\t/evil.example', '/.//evil.example/phish', '/x/..//evil.example', '/%2e//evil.example', '/.\\/evil.example', ' //evil.example', `/${'x'.repeat(1_000)}`,
])('%j is not: the beginning is', (value) => {
  expect(localPath(value, origin)).toBe('/');
});

test('nothing that could end the header is left in a path', () => {
  expect(localPath('/a\r\nset-cookie: x=1', origin)).not.toMatch(/[\r\n]/);
});

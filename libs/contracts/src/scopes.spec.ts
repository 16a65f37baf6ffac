import { describe, expect, it } from '@jest/globals';
import { OPERATIONS, TOKEN_SCOPES } from './index.js';
import { coversScope, SCOPE_PATTERN, scopeOf } from './scopes.js';

const named = (name: string) => OPERATIONS.find((operation) => operation.name === name)!;

it.each([
  ['triggers.list', 'triggers:read'],
  ['triggers.pause', 'triggers:write'],
  ['pickers.pick', 'pickers:read'],
  ['notification-channels.update', 'notification-channels:write'],
])('%s needs %s', (name, scope) => {
  expect(scopeOf(named(name))).toBe(scope);
});

describe('scopes', () => {
  it.each([
    [['read'], 'triggers:read', true],
    [['read'], 'triggers:write', false],
    [['write'], 'triggers:read', true],
    [['write'], 'triggers:write', true],
    [['write'], 'read', true],
    [['read'], 'write', false],
    [['triggers:read'], 'triggers:read', true],
    [['triggers:read'], 'triggers:write', false],
    [['triggers:write'], 'triggers:read', true],
    [['triggers:write'], 'runs:read', false],
    [['triggers:write'], 'write', false],
    [['triggers:write', 'runs:read'], 'read', false],
    [['runs:read', 'triggers:write'], 'triggers:write', true],
    [[], 'triggers:read', false],
    // What no version of Vane has made means nothing.
    [['', 'admin', 'triggers', 'triggers:', ':write', '*', 'write:triggers'], 'triggers:read', false],
  ])('%j include %s: %s', (held, wanted, included) => {
    expect(coversScope(held, wanted)).toBe(included);
  });

  it('of tokens are those of what a token can ask, and nothing else', () => {
    expect(TOKEN_SCOPES.slice(0, 2)).toEqual(['read', 'write']);
    expect(TOKEN_SCOPES).toEqual(expect.arrayContaining(['triggers:read', 'triggers:write', 'connections:write', 'members:write', 'audit:read']));
    for (const scope of TOKEN_SCOPES) expect(scope).toMatch(SCOPE_PATTERN);
    for (const { name, http, access } of OPERATIONS) {
      if (!http || access === 'user' || access === 'public') continue;
      expect(TOKEN_SCOPES).toContain(scopeOf(named(name)));
    }
    expect(TOKEN_SCOPES.filter((scope) => scope.startsWith('session'))).toEqual([]);
  });
});

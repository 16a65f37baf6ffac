import { describe, expect, it } from '@jest/globals';
import { setupSteps, unknownPlaceholders } from './setup-steps.js';

const adapter = {
  label: 'Cloud',
  hosts: { web: 'https://cloud.example', own: null },
  setupSteps: ['Open {hosts.web}/apps.', 'Enter {redirectUri} there.', 'Enter it at {hosts.own} too.'],
};

describe('setup steps', () => {
  it('are filled with what is known, in order', () => {
    expect(setupSteps(adapter, { redirectUri: 'https://vane.example/cb', hosts: { web: 'https://git.corp.example/', own: 'https://own.example' } })).toEqual([
      'Open https://git.corp.example/apps.', 'Enter https://vane.example/cb there.', 'Enter it at https://own.example too.',
    ]);
  });

  it('use the hosts of the profile and words where nothing is known', () => {
    expect(setupSteps(adapter)).toEqual([
      'Open https://cloud.example/apps.', 'Enter the redirect URI that Vane shows there.', 'Enter it at the address of your Cloud too.',
    ]);
  });

  it('are read literally: a URL with a replacement pattern stays as it is', () => {
    expect(setupSteps(adapter, { redirectUri: 'https://vane.example/$&' })[1]).toBe('Enter https://vane.example/$& there.');
  });

  it('name what would not be filled in', () => {
    expect(unknownPlaceholders({ ...adapter, setupSteps: ['{redirectURI} {hosts.web} {hosts.nowhere} {redirectUri}'] })).toEqual(['{redirectURI}', '{hosts.nowhere}']);
    expect(unknownPlaceholders(adapter)).toEqual([]);
  });
});

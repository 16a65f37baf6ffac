import { expect, it } from '@jest/globals';
import { keepSecret, keepSecretsIn, keptSecrets, newSecret } from './registry.js';

const held = () => keptSecrets().map(({ name }) => name);

it('keeps what a test makes, of a URL its state or its last part, and nothing of an empty text', () => {
  const [state, part] = [newSecret('inner state'), newSecret('inner part')];
  keepSecret('the state of a URL', `https://service.example/authorize?client_id=vane&state=${state}x`);
  keepSecret('the last part of a URL', `https://in.example/hooks/whk_${part}x`);
  keepSecret('nothing', '');
  expect(keptSecrets()).toEqual(expect.arrayContaining([{ name: 'the state of a URL', value: `${state}x` }, { name: 'the last part of a URL', value: `${part}x` }]));
  expect(held()).not.toContain('nothing');
});

it('keeps of a grant what is secret in it', () => {
  keepSecretsIn('a grant', JSON.stringify({ tokens: { accessToken: newSecret('inner token').slice(1), tokenType: 'bearer', scopes: ['hooks'] }, service: 'short' }));
  expect(held().filter((name) => name === 'a grant')).toHaveLength(1);
});

it('takes a short one where it says why it may be short', () => {
  keepSecret('cookie of a service', 'short');
  keepSecret('secrets.put value', '0815');
  expect(held()).not.toContain('cookie of a service');
});

// Last: from here on no scan of this process passes.
it('refuses any other that is too short to be looked for, by name and without its value, and so does the next scan', () => {
  for (const [name, value] of [['a password', 'battery'], ['secrets.put value', '0816'], ['a signing secret', `whsec_${'a'.repeat(23)}`]] as const) {
    const keep = () => keepSecret(name, value);
    expect(keep).toThrow(new RegExp(`^${name} has \\d+ characters, too few to be looked for: take one from newSecret`));
    expect(keep).not.toThrow(value);
    expect(() => keptSecrets()).toThrow(name);
  }
});

import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { z } from 'zod';
import { compileVerifier } from '../verify.js';
import type { Case, Prepared } from './subject.js';

/** What a person sees of a trigger type, and what the engine plans with. */
export function configCases({ adapter, subject, type, parsed, resource, want, scheme, secret }: Prepared): Case[] {
  return [
    {
      name: 'the config becomes JSON Schema that refuses unknown fields',
      run: () => {
        const schema = z.toJSONSchema(type.config, { io: 'input' });
        assert.equal(schema.type, 'object');
        assert.equal(schema.additionalProperties, false, 'Make the config a z.strictObject.');
        assert.equal(type.config.safeParse({ ...subject.config, 'no-such-field': 1 }).success, false);
      },
    },
    {
      name: 'the summary is one line',
      run: () => assert.match(type.summary(parsed), /^\S.{0,198}\S$/, 'Say in one line what this trigger listens to.'),
    },
    {
      name: 'the plan is plain JSON and the same each time',
      run: () => {
        assert.deepEqual(type.plan(parsed), { resource, want: JSON.parse(JSON.stringify(want)) });
        if (type.sharing === 'feed') assert.notEqual(resource, '', 'A shared feed needs a canonical resource.');
      },
    },
    { name: 'the starter script compiles and exports main', run: () => compilesAndExportsMain(type.starterScript) },
    {
      name: 'a new secret is one the scheme can use',
      run: () => {
        if (scheme.kind === 'none') return assert.equal(secret(1), '', 'A config that verifies nothing has no secret.');
        assert.notEqual(secret(1), secret(2), 'Make the secret of the random bytes given.');
        assert.notEqual(secret(1).length < 16, true, 'A secret of less than 16 characters can be guessed.');
        const verdict = compileVerifier(scheme, [secret(1)])({ method: 'POST', headers: {}, query: {}, body: new Uint8Array() }, new Date(0));
        assert.notDeepEqual(verdict, { ok: false, reason: 'no_secret' });
      },
    },
    unionCase({ type, want }),
    {
      name: 'the OAuth endpoints are on hosts of the profile',
      omitted: adapter.oauth ? undefined : 'the service has no OAuth profile',
      run: () => {
        for (const endpoint of [adapter.oauth?.authorize, adapter.oauth?.token]) {
          assert.ok(endpoint && Object.hasOwn(adapter.hosts, endpoint.host), `No host is called '${endpoint?.host}'.`);
          assert.ok(endpoint.path.startsWith('/'), `The path ${endpoint.path} must start with /.`);
          const address = `${adapter.hosts[endpoint.host] ?? 'https://service.example/installed/here'}${endpoint.path}`;
          assert.ok(URL.canParse(address) && new URL(address).href === address, `${address} is not an address below its host.`);
        }
      },
    },
    { name: 'there are setup steps', run: () => assert.ok(adapter.setupSteps.length > 0, 'Say how a person sets this service up.') },
  ];
}

function unionCase({ type, want }: Pick<Prepared, 'type' | 'want'>): Case {
  const { union } = type;
  return {
    name: 'the union of one want, however often it is wanted, is that want',
    omitted: union ? undefined : 'every want of a resource is the same',
    run: () => {
      assert.deepEqual(union?.([want]), want);
      assert.deepEqual(union?.([want, structuredClone(want)]), want);
    },
  };
}

async function compilesAndExportsMain(script: string): Promise<void> {
  const { metafile } = await build({
    stdin: { contents: script, loader: 'ts' },
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const exported = Object.values(metafile.outputs).flatMap((output) => output.exports);
  assert.ok(exported.includes('main'), `The starter script must export main, but exports ${exported.join(', ') || 'nothing'}.`);
}

import assert from 'node:assert/strict';
import type { RegisterInput, RemoteApi, VisibleRemote } from '../remote.js';
import { ServiceError } from '../service-http.js';
import { opaqueCases } from './opaque-cases.js';
import { tells, type Case, type Prepared, type RemoteRig, type Tried as TriedAt } from './subject.js';

const CALLBACK = 'https://vane.example/hooks/conformance';

/** What the calls to the service do to a stand-in of it. */
export function remoteCases(prepared: Prepared): Case[] {
  const { remote } = prepared.type;
  const rig = prepared.subject.remote;
  const name = 'subscriptions at the service';
  if (!remote) return [{ name, omitted: 'a person enters URL and secret at the sender', run: () => undefined }];
  if (!rig) return [{ name, run: () => assert.fail('Give `remote`: a stand-in of the service to register at.') }];
  const input: RegisterInput = { id: 'sub_conformance', resource: prepared.resource, want: prepared.want, callbackUrl: CALLBACK, secret: prepared.secret(1), now: prepared.now };
  if (!remote.list) return opaqueCases(triedAt(remote, rig, input));
  const tried = triedAt(remote, rig, input);
  return [...registerCases(tried), ...lifeCases(tried, remote, prepared.secret(2)), ...secrecyCases(tried)];
}

function triedAt<Remote extends RemoteApi>(remote: Remote, rig: () => Promise<RemoteRig>, input: RegisterInput): TriedAt<Remote> {
  return (sentence, run) => ({
    name: sentence,
    run: async () => {
      const started = await rig();
      try {
        await run({ remote, rig: started, input });
      } finally {
        await started.close();
      }
    },
  });
}

type Bench = { remote: VisibleRemote; rig: RemoteRig; input: RegisterInput };
type Tried = TriedAt<VisibleRemote>;

/** As the engine does: what carries our URL is adopted, and only when nothing does we register. */
async function ensure({ remote, rig, input }: Bench): Promise<string> {
  const ours = (await remote.list(rig.http, input.resource)).find(({ callbackUrl }) => callbackUrl === input.callbackUrl);
  return ours?.externalId ?? (await remote.register(rig.http, input)).externalId;
}

function registerCases(tried: Tried): Case[] {
  return [
    tried('registering twice leaves one', async (bench) => {
      const before = await bench.rig.state.count();
      const first = await ensure(bench);
      assert.equal(await ensure(bench), first);
      assert.equal(await bench.rig.state.count(), before + 1);
    }),
    tried('what was registered is listed and read with its URL', async (bench) => {
      const { remote, rig, input } = bench;
      const externalId = await ensure(bench);
      const listed = (await remote.list(rig.http, input.resource)).filter((each) => each.externalId === externalId);
      assert.equal(listed.length, 1);
      assert.equal(listed[0]?.callbackUrl, input.callbackUrl);
      const read = await remote.get(rig.http, input.resource, externalId);
      assert.equal(read?.externalId, externalId);
      assert.deepEqual(read?.fields, listed[0]?.fields);
    }),
  ];
}

/** What the engine rotates secrets by: the object stays, and the service proves itself with the new secret from then on. */
function replaceSecretCase(tried: Tried, remote: VisibleRemote, otherSecret: string): Case {
  const name = 'updating with another secret replaces it and keeps the id';
  if (!remote.canReplaceSecret) return { name, omitted: 'only a new object gets a new secret', run: () => undefined };
  return tried(name, async (bench) => {
    const { rig, input } = bench;
    const externalId = await ensure(bench);
    assert.notEqual(otherSecret, input.secret);
    await remote.update(rig.http, externalId, { ...input, secret: otherSecret });
    assert.equal(await rig.state.secretOf(externalId), otherSecret);
    assert.equal((await remote.get(rig.http, input.resource, externalId))?.callbackUrl, input.callbackUrl);
  });
}

function lifeCases(tried: Tried, remote: VisibleRemote, otherSecret: string): Case[] {
  return [
    tried('updating keeps the secret and the id', async (bench) => {
      const { remote, rig, input } = bench;
      const externalId = await ensure(bench);
      await remote.update(rig.http, externalId, input);
      assert.equal(await rig.state.secretOf(externalId), input.secret);
      assert.equal((await remote.get(rig.http, input.resource, externalId))?.callbackUrl, input.callbackUrl);
    }),
    replaceSecretCase(tried, remote, otherSecret),
    tried('gone counts as removed', async (bench) => {
      const { remote, rig, input } = bench;
      const before = await rig.state.count();
      const externalId = await ensure(bench);
      assert.equal(await remote.remove(rig.http, input.resource, externalId), 'removed');
      assert.equal(await rig.state.count(), before);
      assert.equal(await remote.remove(rig.http, input.resource, externalId), 'gone');
      assert.equal(await remote.get(rig.http, input.resource, externalId), null);
    }),
    tried('updating what is gone says not_found', async (bench) => {
      const { remote, rig, input } = bench;
      const externalId = await ensure(bench);
      await remote.remove(rig.http, input.resource, externalId);
      await assert.rejects(
        remote.update(rig.http, externalId, input),
        (error) => error instanceof ServiceError && error.kind === 'not_found' && !tells(error, input.secret),
      );
    }),
  ];
}

function secrecyCases(tried: Tried): Case[] {
  return [
    tried('no secret in what is read back', async (bench) => {
      const { remote, rig, input } = bench;
      const externalId = await ensure(bench);
      const read = [await remote.list(rig.http, input.resource), await remote.get(rig.http, input.resource, externalId)];
      assert.ok(!JSON.stringify(read).includes(input.secret), 'The secret is among what list or get hand over.');
    }),
    tried('no secret in an error', async ({ remote, rig, input }) => {
      for (const status of [401, 403, 422, 500]) {
        await rig.failNext(status);
        await assert.rejects(
          remote.register(rig.http, input),
          (error) => error instanceof ServiceError && !tells(error, input.secret),
          `A refusal of ${status} must become a ServiceError that does not tell the secret.`,
        );
      }
    }),
  ];
}

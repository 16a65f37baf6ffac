import assert from 'node:assert/strict';
import type { OpaqueRemote, RegisterInput } from '../remote.js';
import { ServiceError } from '../service-http.js';
import { tells, type Case, type Tried } from './subject.js';

type Opaque = Tried<OpaqueRemote>;

/** What the calls do to a stand-in of a service that shows nothing of what it holds. */
export function opaqueCases(tried: Opaque): Case[] {
  return [...lifeCases(tried), endCase(tried), sideBySideCase(tried), auxCase(tried), ...secrecyCases(tried)];
}

/** Another object on the same resource: as for every change, renewal and try after one that was not heard of. */
const successorOf = (input: RegisterInput): RegisterInput => ({ ...input, id: `${input.id}_2`, callbackUrl: `${input.callbackUrl}-2` });

function lifeCases(tried: Opaque): Case[] {
  return [
    tried('registering gives an id that removing ends', async ({ remote, rig, input }) => {
      const before = await rig.state.count();
      const { externalId, aux } = await remote.register(rig.http, input);
      assert.equal(externalId, input.id, 'The object must have the id that was given to `register`: it is all that is known when no answer is heard.');
      assert.equal(await rig.state.count(), before + 1);
      assert.equal(await rig.state.secretOf(externalId), input.secret);
      assert.equal(await remote.remove(rig.http, input.resource, externalId, aux ?? null), 'removed');
      assert.equal(await rig.state.count(), before);
    }),
    tried('gone counts as removed', async ({ remote, rig, input }) => {
      const { externalId, aux } = await remote.register(rig.http, input);
      await remote.remove(rig.http, input.resource, externalId, aux ?? null);
      assert.equal(await remote.remove(rig.http, input.resource, externalId, aux ?? null), 'gone');
    }),
    tried('a removal that failed is a ServiceError and leaves the object', async ({ remote, rig, input }) => {
      const { externalId, aux } = await remote.register(rig.http, input);
      const before = await rig.state.count();
      await rig.failNext(500);
      await assert.rejects(remote.remove(rig.http, input.resource, externalId, aux ?? null), (error) => error instanceof ServiceError && error.transient);
      assert.equal(await rig.state.count(), before);
    }),
  ];
}

/** An end that is believed too late is silence until somebody notices. */
function endCase(tried: Opaque): Case {
  return tried('the end that the service says is later than now and believed', async ({ remote, rig, input }) => {
    const { externalId, expiresAt } = await remote.register(rig.http, input);
    const said = await rig.state.endOf?.(externalId);
    assert.equal(expiresAt, said, 'Hand over the end that the answer says, as ISO 8601, and give `state.endOf` of the stand-in.');
    if (expiresAt === undefined) return;
    const life = Date.parse(expiresAt) - input.now.getTime();
    assert.ok(life > 0 && life <= (remote.longestLifetimeMs ?? Infinity), 'It must end after now, and not after `longestLifetimeMs`.');
  });
}

function sideBySideCase(tried: Opaque): Case {
  return tried('two objects live side by side, and removing one leaves the other', async ({ remote, rig, input }) => {
    const before = await rig.state.count();
    const first = await remote.register(rig.http, input);
    const second = await remote.register(rig.http, successorOf(input));
    assert.notEqual(first.externalId, second.externalId);
    assert.deepEqual(first.aux, second.aux, 'What is answered as `aux` must be the same for every object of one resource and account.');
    assert.equal(await rig.state.count(), before + 2);
    await remote.remove(rig.http, input.resource, first.externalId, first.aux ?? null);
    assert.equal(await rig.state.count(), before + 1);
    assert.equal(await rig.state.secretOf(second.externalId), input.secret);
  });
}

/** After a registration nobody heard the answer of, `aux` is what another object of the resource was answered, or null. */
function auxCase(tried: Opaque): Case {
  return tried('without what registering answered, a removal is not said to have been done', async ({ remote, rig, input }) => {
    const { externalId } = await remote.register(rig.http, input);
    const before = await rig.state.count();
    const outcome = await remote.remove(rig.http, input.resource, externalId, null).catch((error: unknown) => error);
    if (!remote.removeNeedsAux) return assert.equal(outcome, 'removed', 'Say `removeNeedsAux` where nothing can be removed without.');
    assert.ok(outcome instanceof ServiceError, 'Throw a ServiceError that says what is missing.');
    assert.ok(remote.longestLifetimeMs !== undefined, 'Say `longestLifetimeMs`: what cannot be removed is waited for until it ends by itself.');
    assert.equal(await rig.state.count(), before);
  });
}

function secrecyCases(tried: Opaque): Case[] {
  return [
    tried('no secret in what registering hands over', async ({ remote, rig, input }) => {
      assert.ok(!JSON.stringify(await remote.register(rig.http, input)).includes(input.secret), 'The secret is among what register hands over.');
    }),
    tried('no secret in an error', async ({ remote, rig, input }) => {
      for (const [index, status] of [401, 403, 422, 500].entries()) {
        await rig.failNext(status);
        await assert.rejects(
          remote.register(rig.http, { ...input, id: `${input.id}_${index}` }),
          (error) => error instanceof ServiceError && !tells(error, input.secret),
          `A refusal of ${status} must become a ServiceError that does not tell the secret.`,
        );
      }
    }),
  ];
}

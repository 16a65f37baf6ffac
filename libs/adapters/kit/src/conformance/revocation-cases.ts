import assert from 'node:assert/strict';
import { ServiceError } from '../service-http.js';
import type { Case, Prepared, RevocationRig } from './subject.js';

/** What ending a grant does at a stand-in of the service. */
export function revocationCases({ adapter, subject }: Prepared): Case[] {
  const { revoke } = adapter.oauth ?? {};
  const rig = subject.revocation;
  const name = 'a grant is ended at the service';
  if (!revoke) return [{ name, omitted: 'the service offers no way to', run: () => undefined }];
  if ('endpoint' in revoke) return [{ name, omitted: 'the engine asks the standard endpoint (RFC 7009)', run: () => undefined }];
  if (!rig) return [{ name, run: () => assert.fail('Give `revocation`: a stand-in of the service with a live grant.') }];
  const tried = (sentence: string, run: (started: RevocationRig) => Promise<void>): Case => ({
    name: sentence,
    run: async () => {
      const started = await rig();
      try {
        await run(started);
      } finally {
        await started.close();
      }
    },
  });
  return [
    tried(`${name}: its token is worth nothing any more`, async ({ ways, grant, isAlive }) => {
      assert.equal(await isAlive(), true, 'The stand-in must begin with a live grant.');
      await revoke.call(ways, grant);
      assert.equal(await isAlive(), false);
    }),
    tried('a revocation that failed is a ServiceError and tells no token', async ({ ways, grant, isAlive, failNext }) => {
      for (const status of [403, 404, 500, 503]) {
        await failNext(status);
        await assert.rejects(
          revoke.call(ways, grant),
          (error) => error instanceof ServiceError && error.transient === status >= 500 && !`${error.message} ${JSON.stringify(error.details)}`.includes(grant.accessToken),
          `A refusal of ${status} must become a ServiceError that does not tell the token.`,
        );
      }
      assert.equal(await isAlive(), true);
    }),
  ];
}

import assert from 'node:assert/strict';
import { boundVerifier, type BoundFacts } from '../bindings.js';
import type { JsonObject } from '../json.js';
import type { RawRequest } from '../request.js';
import { compileVerifier } from '../verify.js';
import type { Case, Fixture, Prepared } from './subject.js';

/** What the service repeats in headers of the subscription a message is for, tried on every fixture. */
export function bindingCases(prepared: Prepared): Case[] {
  const { bindings = [] } = prepared.type.webhook;
  const name = 'a message for another subscription is refused';
  if (bindings.length === 0) return [{ name, omitted: 'the service repeats no fact of the subscription', run: () => undefined }];
  const secret = prepared.secret(1);
  const accepts = (request: RawRequest, facts: BoundFacts): boolean => boundVerifier(compileVerifier(prepared.scheme, [secret]), bindings, facts)(request, prepared.now).ok;
  const onEach = (sentence: string, run: (request: RawRequest, facts: BoundFacts) => void): Case => ({
    name: sentence,
    run: () => {
      for (const fixture of prepared.subject.fixtures) {
        const request = prepared.request(fixture, secret);
        run(request, factsOf(prepared, fixture, request));
      }
    },
  });
  const withHeader = (request: RawRequest, header: string, value: string | string[] | undefined): RawRequest => ({ ...request, headers: { ...request.headers, [header]: value } });
  return [
    onEach('a message that says what is known of its subscription is accepted', (request, facts) => assert.ok(accepts(request, facts))),
    onEach(name, (request, facts) => {
      for (const { header } of bindings) {
        const said = String(request.headers[header]);
        for (const value of [undefined, '', `${said}x`, [said, said]]) assert.ok(!accepts(withHeader(request, header, value), facts), `It was accepted with another ${header}.`);
      }
    }),
    onEach('what is not known before registering is answered is not compared', (request, { id }) => assert.ok(accepts(request, { id, aux: null }))),
  ];
}

/** What would be known of the subscription that a recorded message was for. */
function factsOf({ type }: Prepared, fixture: Fixture, request: RawRequest): BoundFacts {
  const aux: JsonObject = {};
  let id = 'sub_conformance';
  for (const { header, to } of type.webhook.bindings ?? []) {
    const said = request.headers[header];
    assert.ok(typeof said === 'string' && said !== '', `Fixture '${fixture.name}' has no header ${header}, which the messages of a subscription carry.`);
    if (to === 'id') id = said;
    else aux[to.aux] = said;
  }
  return { id, aux };
}

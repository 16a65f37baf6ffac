import { describe, expect, it } from '@jest/globals';
import { Health } from './health.js';

const broken = () => {
  throw new Error('is away');
};

describe('readiness', () => {
  it('names what is missing, in its own words', async () => {
    const health = new Health();
    health.add('postgres', () => undefined);
    health.add('nats', broken);
    expect(await health.ready()).toEqual({ ok: false, needs: { postgres: null, nats: 'is away' } });
  });

  it('is given while one of two alternatives is there, and not when neither is', async () => {
    const health = new Health();
    health.add('postgres', broken);
    let nats: () => void = () => undefined;
    health.add('nats', () => nats());
    health.eitherOf('postgres', 'nats');
    expect(await health.ready()).toMatchObject({ ok: true, needs: { postgres: 'is away' } });
    nats = broken;
    expect(await health.ready()).toMatchObject({ ok: false });
  });

  it('does not accept another need as an alternative', async () => {
    const health = new Health();
    for (const name of ['postgres', 'nats']) health.add(name, () => undefined);
    health.add('adapters', broken);
    health.eitherOf('postgres', 'nats');
    expect(await health.ready()).toMatchObject({ ok: false });
  });
});

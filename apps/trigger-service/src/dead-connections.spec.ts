import { describe, expect, it } from '@jest/globals';
import { DeadConnections } from './dead-connections.js';

describe('a connection whose grant is dead', () => {
  it('stops whoever had its token before, and nobody who got one after', () => {
    const dead = new DeadConnections();
    const before = dead.begin('con_1');
    before();
    dead.end('con_1');
    expect(before).toThrow(expect.objectContaining({ kind: 'unauthorised' }));
    const after = dead.begin('con_1');
    after();
    dead.end('con_1');
    expect(after).toThrow();
  });

  it('stops no other connection', () => {
    const dead = new DeadConnections();
    const other = dead.begin('con_2');
    dead.end('con_1');
    expect(other).not.toThrow();
  });

  it('is forgotten only behind thousands of others', () => {
    const dead = new DeadConnections();
    const [first, last] = [dead.begin('con_0'), dead.begin('con_10000')];
    for (let n = 0; n <= 10_000; n += 1) dead.end(`con_${n}`);
    expect(first).not.toThrow();
    expect(last).toThrow();
  });
});

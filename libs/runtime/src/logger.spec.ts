import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createLogger, nestLogger } from './logger.js';

function capture() {
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk, _encoding, done) => (lines.push(String(chunk)), done()) });
  return { lines, logger: createLogger({ app: 'spec', level: 'debug' }, sink) };
}

describe('the log', () => {
  it('masks fields that hold secrets, two levels deep', () => {
    const { lines, logger } = capture();
    logger.info({ token: 't0p', connection: { accessToken: 't0p', account: { clientSecret: 't0p', id: 7 } } }, 'said');
    expect(lines.join()).not.toContain('t0p');
    expect(JSON.parse(lines[0]!)).toMatchObject({ msg: 'said', token: '***', connection: { account: { id: 7 } } });
  });

  it('takes what Nest says, at a level of its own', () => {
    const { lines, logger } = capture();
    nestLogger(logger).log('Mapped route', 'Router');
    nestLogger(logger).error('broken', 'stack', 'Core');
    expect(lines.map((line) => (JSON.parse(line) as { level: number }).level)).toEqual([20, 50]);
  });
});

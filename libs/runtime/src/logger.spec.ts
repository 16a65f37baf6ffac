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

  it('keeps of an error what went wrong, and none of what was sent', () => {
    const { lines, logger } = capture();
    const command = { name: 'hello', args: ['3', 'AUTH', 'default', 'pa55w0rd'] };
    const cause = Object.assign(new Error('WRONGPASS'), { command, code: 'ECONNREFUSED' });
    logger.warn({ err: Object.assign(new TypeError('no connection', { cause }), { command, code: '23505' }) }, 'redis connection failed');
    expect(lines.join()).not.toContain('pa55w0rd');
    const { err } = JSON.parse(lines[0]!) as { err: Record<string, unknown> };
    expect(err).toMatchObject({ type: 'TypeError', message: 'no connection', code: '23505', cause: { message: 'WRONGPASS', code: 'ECONNREFUSED' } });
    expect(Object.keys(err).sort()).toEqual(['cause', 'code', 'message', 'stack', 'type']);
    expect(Object.keys(err['cause'] as object).sort()).toEqual(['code', 'message', 'stack', 'type']);
  });

  it.each(['postgres://vane:pa55w0rd@db:5432/vane', 'rediss://:pa55w0rd@cache', 'https://a%40b:pa5@5w0rd@example.com/x?y=1'])(
    'masks the password of %s in an error and its causes',
    (url) => {
      const { lines, logger } = capture();
      logger.error({ err: new Error(`cannot reach ${url}`, { cause: new Error(`at "${url}"`) }) }, 'not reachable');
      expect(lines.join()).not.toMatch(/pa55w0rd|5w0rd|vane:/);
      expect((JSON.parse(lines[0]!) as { err: { message: string } }).err.message).toMatch(/:\/\/\*\*\*@(db:5432|cache|example\.com)/);
    },
  );

  it('writes what was thrown without being an error, and ends at causes that go round', () => {
    const { lines, logger } = capture();
    const round = new Error('round');
    round.cause = round;
    logger.error({ err: round }, 'failed');
    logger.error({ err: { token: 't0p' } }, 'failed');
    logger.error({ err: 'plain words' }, 'failed');
    expect(lines).toHaveLength(3);
    expect(lines.join()).not.toContain('t0p');
    expect(JSON.parse(lines[2]!)).toMatchObject({ err: { message: 'plain words' } });
  });
});

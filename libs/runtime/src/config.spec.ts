import { describe, expect, it } from '@jest/globals';
import { adapterSettings, commonSettings, databaseSettings, readSettings } from './config.js';

describe('settings', () => {
  it('names every variable that is missing or wrong at once, and shows no value', () => {
    const read = () =>
      readSettings({ ...commonSettings, ...databaseSettings }, { PORT: '99999', VANE_DATABASE_URL: 'mysql://root:hunter2@h/db', VANE_PREFIX: '../x' });
    expect(read).toThrow(/PORT/);
    expect(read).toThrow(/VANE_DATABASE_URL: must be a postgres:\/\/ URL/);
    expect(read).toThrow(/VANE_NATS_URL/);
    expect(read).toThrow(/VANE_PREFIX/);
    expect(read).not.toThrow(/hunter2/);
  });

  it('gives defaults, types and an object nobody can change', () => {
    const settings = readSettings(commonSettings, { PORT: '3000', VANE_NATS_URL: 'nats://127.0.0.1:4222' });
    expect(settings).toMatchObject({ PORT: 3000, VANE_PREFIX: 'vane', VANE_ENV: 'development', VANE_NATS_TLS: false });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('refuse adapters from outside in production only', () => {
    const read = (env: string) =>
      readSettings({ ...commonSettings, ...adapterSettings }, { PORT: '1', VANE_NATS_URL: 'x', VANE_ENV: env, VANE_EXTRA_ADAPTERS: '/a.js,/b.js' });
    expect(read('test').VANE_EXTRA_ADAPTERS).toEqual(['/a.js', '/b.js']);
    expect(() => read('production')).toThrow('VANE_EXTRA_ADAPTERS');
  });
});

import { describe, expect, it } from '@jest/globals';
import { commonSettings, databaseSettings, readSettings } from './config.js';

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
});

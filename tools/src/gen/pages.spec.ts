import { describe, expect, it } from '@jest/globals';
import { APPS, ERRORS, OPERATIONS } from '@vane/contracts';
import { z } from 'zod';
import { contractsDocument } from './contracts-document.js';
import { environmentPage, type SettingsShapes } from './environment-page.js';
import { adviceIn, errorsPage, withoutAdvice } from './errors-page.js';

describe('the page of errors', () => {
  it('has exactly the codes there are', () => {
    expect([...adviceIn(errorsPage('')).keys()]).toEqual(Object.keys(ERRORS));
  });

  it('keeps the advice of the page it replaces, drops rows of codes that are gone and tells which lack advice', () => {
    const current = '| `not_found` | 1 | never | old title | Look elsewhere, as *before*. |\n| `long_gone` | 1 | never | x | y |\n';
    const page = errorsPage(current);
    expect(page).toContain(`| \`not_found\` | ${ERRORS.not_found.status} | never | ${ERRORS.not_found.title} | Look elsewhere, as *before*. |`);
    expect(page).not.toContain('long_gone');
    expect(withoutAdvice(page)).toEqual(Object.keys(ERRORS).filter((code) => code !== 'not_found'));
    expect(errorsPage(page)).toBe(page);
  });
});

it('the contracts document holds every operation with its schemas', () => {
  const { operations } = contractsDocument() as { operations: Record<string, { owner: string; input: { type: string }; output: object }> };
  expect(Object.keys(operations).sort()).toEqual(OPERATIONS.map(({ name }) => name).sort());
  expect(operations['connections.token']).toMatchObject({ owner: 'oauth-service', input: { type: 'object', required: expect.arrayContaining(['workspace']) } });
});

describe('the example environment', () => {
  const real = async () => Object.fromEntries(await Promise.all(APPS.map(async (app) => [app, ((await import(`../../../apps/${app}/src/config.ts`)) as { settingsShape: z.ZodRawShape }).settingsShape]))) as SettingsShapes;

  it('lists every variable of every app once: required ones to be filled in, others with their default', async () => {
    const shapes = await real();
    const page = environmentPage(shapes);
    for (const name of new Set(APPS.flatMap((app) => Object.keys(shapes[app])))) {
      if (name.startsWith('VANE_KEYS_') && name.endsWith('_FILE')) continue; // described once for all rings
      expect(page.match(new RegExp(`^(# )?${name}=`, 'gm'))).toHaveLength(1);
    }
    expect(page).toMatch(/^VANE_KEYS_OAUTH=$/m);
    expect(page).toMatch(/^# VANE_PREFIX=vane$/m);
  });

  it('refuses a setting nobody described, and a description of no setting', async () => {
    const shapes = await real();
    expect(() => environmentPage({ ...shapes, 'sync-worker': { ...shapes['sync-worker'], VANE_NEW: z.string() } })).toThrow('VANE_NEW');
    expect(() => environmentPage({ ...shapes, 'run-worker': {} })).toThrow('VANE_KEYS_DATA_PRIVATE');
  });
});

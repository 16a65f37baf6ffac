// One configuration, four tiers chosen by file name: VANE_TIER=unit|integration|e2e|console (default: unit).
import { readFileSync } from 'node:fs';

const swc = JSON.parse(readFileSync(new URL('./.swcrc', import.meta.url), 'utf8'));
delete swc.exclude;

const tier = process.env.VANE_TIER ?? 'unit';
const patterns = {
  unit: ['**/*.spec.ts'],
  integration: ['**/*.integration.spec.ts'],
  e2e: ['**/*.e2e.spec.ts'],
  console: ['**/*.console.spec.ts'],
};

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/tools', '<rootDir>/e2e'],
  testMatch: patterns[tier],
  testPathIgnorePatterns: [
    '/node_modules/', '/dist/',
    ...(tier === 'unit' ? ['\\.integration\\.spec\\.ts$', '\\.e2e\\.spec\\.ts$', '\\.console\\.spec\\.ts$'] : []),
  ],
  modulePathIgnorePatterns: ['/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swc, swcrc: false, module: { type: 'es6' } }] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testEnvironmentOptions: { customExportConditions: ['@vane/source', 'node', 'node-addons'] },
  ...(tier === 'e2e' || tier === 'console' ? { globalSetup: '<rootDir>/e2e/global-setup.mjs', globalTeardown: '<rootDir>/e2e/global-teardown.mjs' } : {}),
  // Specs of the integration tier share servers, never a database, a prefix or a port. Those of the e2e and the console tier share one
  // running system, each in workspaces of its own; what kills processes or stops servers starts an instance of its own.
  maxWorkers: 2,
  testTimeout: tier === 'unit' ? 30_000 : 60_000,
};

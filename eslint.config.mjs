import { readdirSync } from 'node:fs';
import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

// The boundary rule reads Nx's stored project graph and checks nothing without one, so it is made here.
process.env.NX_DAEMON = 'false';
await createProjectGraphAsync({ exitOnError: true });

const typescript = ['apps/*/src/**/*.ts', 'apps/*/src/**/*.tsx', 'libs/*/src/**/*.ts', 'libs/adapters/kit/src/**/*.ts', 'tools/**/*.ts', 'e2e/src/**/*.ts'];
const product = ['apps/*/src/**/*.ts', 'apps/*/src/**/*.tsx', 'libs/*/src/**/*.ts', 'libs/adapters/kit/src/**/*.ts'];
const services = 'libs/adapters/src/*';
/** Code that only tests load: specs, what stands in fixtures/, and the library of test helpers. */
const tests = ['**/*.spec.ts', '**/fixtures/**/*.ts', `${services}/fixtures.ts`, 'libs/testing/src/**/*.ts'];
const fakes = [`${services}/fake/**/*.ts`];

/** Which tags a project of each tag may use. An app may use every library but testing, and never another app. */
const libraries = ['type:contract', 'type:kit', 'type:adapters', 'type:runtime', 'type:db'];
const allowed = {
  'type:contract': [],
  'type:kit': ['type:contract'],
  'type:adapters': ['type:kit', 'type:contract'],
  'type:runtime': ['type:contract', 'type:kit'],
  'type:db': ['type:contract'],
  'type:app': libraries,
  'type:console': ['type:contract'],
  'type:testing': libraries,
  'type:tool': [...libraries, 'type:testing'],
  'type:e2e': [...libraries, 'type:testing', 'type:tool'],
};

const frameworks = ['@nestjs/*', '@prisma/*', 'bullmq', '@nats-io/*', 'undici', 'pg'];
const banned = { 'type:kit': frameworks, 'type:adapters': frameworks, 'type:db': ['@nestjs/*', 'bullmq', '@nats-io/*'] };

/** What tests, tools and end-to-end tests load by path, because it is no library: the launcher, fakes, adapters made for tests. */
const byPath = ['/tools/launch/index\\.mjs$', '/libs/adapters/src/[^/]+/fake/', '/libs/testing/src/probe/'];

/** @param {string[]} extra tags that every project may use besides its own @param {string[]} allow paths outside the project */
const boundaries = (extra = [], allow = []) => ['error', {
  allow,
  checkDynamicDependenciesExceptions: ['.*'],
  // The specs of these libraries use the test helpers, which are made with them.
  ignoredCircularDependencies: [['@vane/db', '@vane/testing'], ['@vane/runtime', '@vane/testing'], ['@vane/kit', '@vane/runtime'], ['@vane/adapters', '@vane/runtime'], ['@vane/adapters', '@vane/testing']],
  depConstraints: Object.entries(allowed).map(([sourceTag, tags]) => ({
    sourceTag,
    // A project may always use itself, by name too; a list that allows nothing has to be a list of a tag nobody has.
    onlyDependOnLibsWithTags: [...tags, ...extra, sourceTag === 'type:app' || sourceTag === 'type:console' ? 'type:none' : sourceTag],
    ...(sourceTag === 'type:contract' ? { allowedExternalImports: extra.length ? ['*'] : ['zod'] } : {}),
    ...(banned[sourceTag] ? { bannedExternalImports: banned[sourceTag] } : {}),
  })),
}];

const noEnum = { selector: 'TSEnumDeclaration', message: 'Write a union of strings.' };
const noDefaultExport = { selector: 'ExportDefaultDeclaration', message: 'Export it by name: one thing has one name everywhere.' };
const noFocus = {
  selector: 'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo|failing)$/], CallExpression[callee.name=/^(fit|fdescribe|xit|xtest|xdescribe)$/]',
  message: 'Every test runs: remove .only or .skip.',
};
const noOwnTime = [
  { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: 'Take the time from an injected Clock or from a parameter, so that tests can move it.' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0], CallExpression[callee.name='Date']", message: 'Take the time from an injected Clock or from a parameter, so that tests can move it.' },
];
const noDynamicImport = { selector: 'ImportExpression', message: 'A service folder imports statically, so that what it uses can be checked.' };
/** @param {...object} selectors what product code may not contain either */
const syntax = (...selectors) => ['error', noEnum, noDefaultExport, noFocus, ...selectors];

const environment = { object: 'process', property: 'env', message: 'Settings are read once, in config.ts: take them from there.' };

/** @param {string} regex of module names that are refused @param {string} message */
const refuse = (regex, message) => ['error', { patterns: [{ regex, message }] }];
const processModule = { regex: '^(node:)?process$', message: 'Use the global process; its environment is read in config.ts.' };
/** By name too: an app has no door, so the boundary rule does not see it as a project. */
const anApp = { regex: `^@vane/(${readdirSync(new URL('./apps', import.meta.url)).join('|')})(/|$)`, message: 'Nothing imports an app: what two need belongs in a library, and what one wants of another it asks over the bus.' };
const outward = '(http2?|https|net|tls|dns|dgram|child_process|cluster|worker_threads|process|timers/promises)';

export default tseslint.config(
  { ignores: ['**/node_modules/', '**/dist/', '.nx/', '.vane/', 'coverage/', 'libs/db/src/generated/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.mjs', ...typescript, 'prisma.config.ts'],
    extends: [tseslint.configs.recommended],
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      'no-restricted-syntax': ['error', noEnum, noFocus],
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      eqeqeq: ['error', 'smart'],
      'no-control-regex': 'error',
      'no-debugger': 'error',
      'no-eval': 'error',
      'no-self-assign': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-escape': 'error',
      'prefer-const': ['error', { destructuring: 'all' }],
    },
  },
  {
    files: typescript,
    plugins: { '@nx': nx },
    rules: { '@nx/enforce-module-boundaries': boundaries() },
  },
  {
    files: product,
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-console': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      'no-restricted-syntax': syntax(...noOwnTime),
      'no-restricted-properties': ['error', environment],
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: [processModule, anApp] }],
    },
  },
  {
    files: ['apps/*/src/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', {
        patterns: [
          processModule,
          anApp,
          // Types may be named: they leave no trace in what runs.
          { regex: '^(@nats-io/|@prisma/|bullmq$|ioredis$)', allowTypeImports: true, message: 'Apps reach the bus and the queue through @vane/runtime and the database through @vane/db.' },
          { regex: '^undici$', message: 'Apps call out through the egress client of @vane/runtime.' },
        ],
      }],
    },
  },
  {
    files: [`${services}/**/*.ts`],
    rules: {
      'no-restricted-syntax': syntax(noDynamicImport, ...noOwnTime),
      'no-restricted-globals': ['error', { name: 'fetch', message: 'An adapter calls its service through the http client it is given.' }],
      '@typescript-eslint/no-restricted-imports': refuse(
        `^(?!\\./|@vane/(kit|contracts)$|zod$|node:(?!${outward}$))`,
        'A service folder imports its own files (./), @vane/kit, @vane/contracts and zod: nothing above it, no other service, no way out of its own.',
      ),
    },
  },
  {
    files: tests,
    rules: {
      '@nx/enforce-module-boundaries': boundaries([...libraries, 'type:testing'], byPath),
      'no-restricted-syntax': syntax(),
      'no-restricted-properties': 'off',
      'no-restricted-globals': 'off',
      '@typescript-eslint/no-restricted-imports': 'off',
    },
  },
  {
    // A fake is written from the service's documents; one that shared our code would share our mistakes.
    files: fakes,
    rules: {
      'no-restricted-syntax': syntax(noDynamicImport),
      'no-restricted-globals': 'off',
      '@typescript-eslint/no-restricted-imports': ['error', {
        patterns: [
          { regex: '^(?!\\./|node:|@googleapis/)', message: "A fake imports its own files (./) and Node's modules, and nothing of ours." },
          { regex: '^@googleapis/', allowTypeImports: true, message: 'Of a service\'s own client library a fake takes the types, so that it answers in their shape.' },
        ],
      }],
    },
  },
  {
    files: [`${services}/fake/**/*.spec.ts`],
    rules: { '@typescript-eslint/no-restricted-imports': refuse('^(@vane/|\\.\\./)', 'A fake and its specs import nothing of ours.') },
  },
  { files: ['tools/**/*.ts', 'e2e/**/*.ts'], rules: { '@nx/enforce-module-boundaries': boundaries([], byPath) } },
  { files: ['libs/runtime/src/clock.ts', 'apps/console/src/clock.ts'], rules: { 'no-restricted-syntax': syntax() } },
  {
    files: ['**/config.ts', '**/*-cli.ts', '**/main.ts'],
    ignores: [`${services}/*.ts`],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['*.mjs', '*.config.ts', 'tools/**/*.mjs', 'tools/**/*.ts', 'e2e/**/*.ts'], rules: { 'no-restricted-properties': 'off' } },
);

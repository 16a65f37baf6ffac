// npm run check: everything about the code that can be checked without running the apps. One line per check.
import { findDatabaseForChecks } from './check/database.mjs';
import { brokenLinks } from './check/links.mjs';
import { generated, textOf } from './generated.mjs';
import { root } from './launch/paths.mjs';
import { prepare } from './launch/prepare.mjs';
import { say } from './launch/problem.mjs';
import { findProgram, run } from './launch/run.mjs';

/** @typedef {{ name: string, fix: string, check: () => Promise<string> }} Check `check` returns what is wrong, or nothing */

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
async function program(command, args, env) {
  const { code, output } = await run(command, args, { env: { ...process.env, ...env } });
  return code === 0 ? '' : output.trim() || `it ended with code ${code}`;
}

const npm = findProgram(['npm']) ?? 'npm';

/** @type {Check[]} */
const checks = [
  { name: 'lint', fix: 'npx eslint . --fix mends some of it', check: () => program(process.execPath, ['node_modules/eslint/bin/eslint.js', '.']) },
  { name: 'types', fix: 'npm run typecheck', check: () => program(process.execPath, ['node_modules/typescript-native/bin/tsc', '-p', 'tsconfig.json', '--noEmit', '--pretty', 'false']) },
  { name: 'types of the console', fix: 'npm run typecheck', check: () => program(process.execPath, ['node_modules/typescript-native/bin/tsc', '-p', 'apps/console', '--pretty', 'false']) },
  {
    name: 'migrations agree with prisma/schema.prisma',
    fix: 'node dist/migrate-cli.js diff NAME, then read the migration',
    check: async () => program(process.execPath, ['dist/migrate-cli.js', 'check'], { VANE_DATABASE_URL: await findDatabaseForChecks() }),
  },
  ...generated.map(({ file, make }) => ({
    name: `${file} is current`,
    fix: 'npm run gen',
    check: async () => {
      const current = textOf(file);
      return (await make(current)) === current ? '' : `${file} is not what the code makes of it`;
    },
  })),
  {
    name: 'docs/errors.md says what to do about every code',
    fix: 'fill in the last column',
    check: async () => {
      const { withoutAdvice } = await import('./dist/gen/index.js');
      return withoutAdvice(textOf('docs/errors.md')).join(', ');
    },
  },
  {
    name: 'package-lock.json agrees with every package.json',
    fix: 'npm install --package-lock-only',
    check: () => program(npm, ['ci', '--dry-run', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--loglevel=error']),
  },
  { name: 'links in Markdown files lead somewhere', fix: 'correct the links', check: async () => (await brokenLinks(root)).join('\n') },
];

/** @param {Check} check @returns {Promise<boolean>} */
async function passes({ name, fix, check }) {
  const startedAt = performance.now();
  let wrong = '';
  try {
    wrong = await check();
  } catch (error) {
    wrong = error instanceof Error ? error.message : String(error);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  say(wrong ? `failed  ${name} (${seconds} s). To fix: ${fix}` : `ok      ${name} (${seconds} s)`);
  if (wrong) say(wrong.replace(/^/gm, '        '));
  return !wrong;
}

await prepare();
let passed = 0;
for (const check of checks) if (await passes(check)) passed += 1;
say(`${passed} passed, ${checks.length - passed} failed`);
process.exitCode = passed === checks.length ? 0 : 1;

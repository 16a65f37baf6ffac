import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './paths.mjs';
import { Problem, say } from './problem.mjs';
import { findProgram, run, runAttached } from './run.mjs';
import { readJson, withLock } from './state.mjs';

const installStamp = 'node_modules/.vane-lock';
const schemaStamp = 'node_modules/.vane-schema';
const generatedClient = 'libs/db/src/generated';
const schema = 'prisma/schema.prisma';

/** One hash over the files that exist. @param {string} base @param {string[]} files */
export function hashFiles(base, files) {
  const hash = createHash('sha256');
  for (const file of files.filter((name) => existsSync(join(base, name)))) hash.update(file).update('\0').update(readFileSync(join(base, file)));
  return hash.digest('hex');
}

/** @param {string} base @param {string} stamp @param {string} hash */
function isStamped(base, stamp, hash) {
  return existsSync(join(base, stamp)) && readFileSync(join(base, stamp), 'utf8').trim() === hash;
}

/** @param {string} base @param {string} stamp @param {string} hash */
function writeStamp(base, stamp, hash) {
  mkdirSync(dirname(join(base, stamp)), { recursive: true });
  writeFileSync(join(base, stamp), `${hash}\n`);
}

/**
 * Whether what npm noted as installed is what the lock file asks for, so that a developer's own `npm install` is kept.
 * @param {{ packages?: Record<string, any> }} lock package-lock.json
 * @param {{ packages?: Record<string, any> } | undefined} installed node_modules/.package-lock.json
 */
export function installMatches(lock, installed) {
  if (!installed?.packages) return false;
  const have = installed.packages;
  return Object.entries(lock.packages ?? {}).every(([path, wanted]) => {
    const present = have[path];
    if (path === '' || (!present && wanted.optional)) return true;
    return present !== undefined && present.version === wanted.version && present.link === wanted.link && present.integrity === wanted.integrity;
  });
}

/** Whether `npm ci` has to run in this checkout. @param {string} base */
export function needsInstall(base) {
  const hash = hashFiles(base, ['package-lock.json']);
  if (!existsSync(join(base, 'node_modules'))) return true;
  if (isStamped(base, installStamp, hash)) return false;
  if (!installMatches(readJson(join(base, 'package-lock.json')), readJson(join(base, 'node_modules/.package-lock.json')))) return true;
  writeStamp(base, installStamp, hash);
  return false;
}

async function install() {
  if (!needsInstall(root)) return;
  const npm = findProgram(['npm']);
  if (!npm) throw new Problem('Vane needs npm to install its packages and found none in PATH: install Node.js with npm.');
  say('Installing packages (npm ci) ...');
  // Only npm 11 skips the install scripts that package.json does not allow; without any allowed, skip them everywhere.
  const allowed = Object.keys(readJson(join(root, 'package.json')).allowScripts ?? {}).length > 0;
  const code = await runAttached(npm, ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error', ...(allowed ? [] : ['--ignore-scripts'])]);
  if (code !== 0) throw new Problem('npm ci failed: see its messages above. It needs the network (or a filled npm cache) once.');
  writeStamp(root, installStamp, hashFiles(root, ['package-lock.json']));
}

/**
 * Generates the database client. The CLI insists on a schema engine, though generating needs none: any program that
 * exists saves the download (https://www.prisma.io/docs/orm/reference/environment-variables-reference).
 */
function generateClient() {
  const env = {
    ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: findProgram(['true']) ?? '/bin/true',
    PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1',
  };
  return run(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), 'generate', '--schema', schema], { env });
}

async function generate() {
  if (!existsSync(join(root, schema))) return;
  const hash = hashFiles(root, [schema, 'prisma.config.ts', 'node_modules/prisma/package.json']);
  if (isStamped(root, schemaStamp, hash) && existsSync(join(root, generatedClient))) return;
  say('Generating the database client ...');
  const made = await generateClient();
  if (made.code !== 0) throw new Problem(`prisma generate failed:\n${made.output.trim()}`);
  writeStamp(root, schemaStamp, hash);
}

async function build() {
  const env = { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false' };
  const built = await run(process.execPath, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build', 'bundle'], { env });
  if (built.code !== 0) throw new Problem(`The build failed:\n${built.output.trim()}`);
}

export async function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) throw new Problem(`Vane needs Node.js 20.19 or later, and this is ${process.versions.node}.`);
  await withLock(join(root, '.vane'), 'prepare', async () => {
    await install();
    await generate();
    say('Building ...');
    await build();
  });
}

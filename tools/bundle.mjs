// Puts what was built of apps, libraries and packages together into few files, in `dist/`. A process that reads 60 files
// instead of 1,800 is up in half the time, which is what a restart after a kill costs.
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const services = join(root, 'libs/adapters/dist');

/**
 * What is loaded from where it was installed: optional parts of packages, which are not installed here, what looks for files
 * beside itself, and what most processes never load.
 */
const external = [
  '@nestjs/websockets', '@nestjs/websockets/*', '@nestjs/microservices/microservices-module', '@nestjs/microservices/microservices-module.js',
  '@nestjs/platform-express',
  'class-transformer', 'class-transformer/*', 'class-validator', '@grpc/*', 'kafkajs', 'mqtt', 'nats', 'amqplib', 'amqp-connection-manager', 'pg-native',
  'esbuild', '@node-rs/argon2', '@prisma/schema-engine-wasm', '@prisma/schema-engine-wasm/*', 'oidc-provider',
];

/**
 * Nest asks for these when an app uses them through Nest, which none does; an app may have one of its own.
 * @type {esbuild.Plugin}
 */
const optionalInNest = {
  name: 'optional-in-nest',
  setup: (build) => build.onResolve({ filter: /^@fastify\/(static|view|multipart)$/ }, ({ path, importer }) =>
    (/[\\/]@nestjs[\\/]/.test(importer) ? { path, external: true } : undefined)),
};

/** Service folders that were built. @returns {Promise<string[]>} */
async function serviceFolders() {
  const entries = await readdir(services, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && existsSync(join(services, entry.name, 'index.js'))).map((entry) => entry.name);
}

/**
 * Bundles programs with all service folders. Files they share are parts of their own, so that a class is one class for a
 * program and for the adapters it loads. These parts and the service folders lie side by side, where `loadAdapters` looks.
 * Maps name the sources without holding them.
 * @param {{ outdir: string, entries: Record<string, string> }} options `entries` by the name of the output, without `.js`
 */
export async function bundle({ outdir, entries }) {
  const folders = await serviceFolders();
  await mkdir(outdir, { recursive: true });
  const built = await esbuild.build({
    absWorkingDir: root,
    entryPoints: { ...entries, ...Object.fromEntries(folders.map((folder) => [`${folder}/index`, join(services, folder, 'index.js')])) },
    outdir,
    bundle: true,
    splitting: true,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
    // Packages in CommonJS ask for the modules of Node by `require`, which an ES module does not have.
    banner: { js: "import{createRequire as vaneRequire}from'node:module';const require=vaneRequire(import.meta.url);" },
    external,
    plugins: [optionalInNest],
  });
  const { buildChildProgram } = await import(pathToFileURL(join(root, 'apps/run-worker/dist/sandbox/child-program.js')).href);
  const program = join(outdir, 'child-program.mjs');
  await writeFile(program, await buildChildProgram());
  const icons = folders.map((folder) => join(outdir, folder, 'icon.svg'));
  await Promise.all(icons.map((icon, at) => copyFile(join(services, /** @type {string} */ (folders[at]), 'icon.svg'), icon)));
  await removeOthers(outdir, [...Object.keys(built.metafile.outputs).map((file) => join(root, file)), program, ...icons]);
}

/** What an earlier build left; the new files are there already. @param {string} outdir @param {string[]} files */
async function removeOthers(outdir, files) {
  const wanted = new Set(files.map((file) => relative(outdir, file)));
  const present = await readdir(outdir, { recursive: true, withFileTypes: true });
  const stale = present.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).filter((file) => !wanted.has(relative(outdir, file)));
  await Promise.all(stale.map((file) => rm(file)));
}

/** The programs that an installation runs. @returns {Promise<Record<string, string>>} */
async function programs() {
  const apps = await readdir(join(root, 'apps'));
  const built = apps.map((app) => [app, join(root, 'apps', app, 'dist/main.js')]).filter(([, file]) => existsSync(/** @type {string} */ (file)));
  return {
    ...Object.fromEntries(built),
    'migrate-cli': join(root, 'libs/db/dist/migrate-cli.js'),
    'keys-cli': join(root, 'libs/db/dist/keys-cli.js'),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle({ outdir: join(root, 'dist'), entries: await programs() });
}

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { databaseUrlFromEnvironment } from './config.js';
import { applyMigrations, diffMigration, prismaFolder, readMigrations } from './migrations.js';

const USAGE = 'Usage: migrate-cli [apply | diff NAME | check]. NAME is lower case words joined by underscores.';

const print = (line: string) => void process.stdout.write(`${line}\n`);

async function apply(): Promise<void> {
  const { applied } = await applyMigrations({ databaseUrl: databaseUrlFromEnvironment() });
  print(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.length} migration(s): ${applied.join(', ')}.`);
}

async function diff(name: string): Promise<void> {
  const sql = await diffMigration({ databaseUrl: databaseUrlFromEnvironment() });
  if (!sql) return print('The migrations agree with schema.prisma; no migration was written.');
  const { baseDir, migrationDirectories } = await readMigrations();
  const number = Math.max(0, ...migrationDirectories.map((directory) => Number.parseInt(directory.path, 10) || 0)) + 1;
  const folder = join(baseDir, `${String(number).padStart(4, '0')}_${name}`);
  await mkdir(folder);
  await writeFile(join(folder, 'migration.sql'), sql);
  print(`Wrote ${join(folder, 'migration.sql')}. Read it and complete it by hand before it is applied.`);
}

async function check(): Promise<void> {
  const sql = await diffMigration({ databaseUrl: databaseUrlFromEnvironment() });
  if (!sql) return print('The migrations agree with schema.prisma.');
  throw new Error(
    `${join(prismaFolder(), 'schema.prisma')} and its migrations differ; write the missing one with "migrate-cli diff NAME":\n${sql}`,
  );
}

async function main([command = 'apply', name, ...rest]: string[]): Promise<void> {
  if (rest.length > 0) throw new Error(USAGE);
  if (command === 'apply' && !name) return apply();
  if (command === 'check' && !name) return check();
  if (command === 'diff' && name && /^[a-z0-9]+(_[a-z0-9]+)*$/.test(name)) return diff(name);
  throw new Error(USAGE);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});

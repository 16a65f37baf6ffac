import { afterEach, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { databaseUrl, dropDatabase, ensureDatabase } from './database.mjs';

const server = process.env.VANE_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/';
const name = `vane_launch_${randomBytes(4).toString('hex')}`;
const url = databaseUrl(server, name);

async function query(sql: string) {
  const client = new pg.Client({ connectionString: databaseUrl(server, 'postgres') });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

afterEach(() => query(`drop database if exists ${name} with (force)`));

it('an absent database is created with our mark, and found again the next time', async () => {
  expect(await ensureDatabase(server, { name, instance: 'abc' })).toEqual({ url, name, created: true, instance: 'abc' });
  expect(await ensureDatabase(url, { instance: 'other' })).toEqual({ url, name, created: false, instance: 'abc' });
});

it('a database without our mark is neither used nor dropped', async () => {
  await query(`create database ${name}`);
  await expect(ensureDatabase(url)).rejects.toThrow(`The database "${name}" exists and was not created by Vane`);
  await expect(dropDatabase(url)).rejects.toThrow('was not created by Vane');
  expect(await query(`select 1 as there from pg_database where datname = '${name}'`)).toEqual([{ there: 1 }]);
});

it('a database that its owner marked by hand is used', async () => {
  await query(`create database ${name}`);
  await query(`comment on database ${name} is 'vane'`);
  expect(await ensureDatabase(url)).toEqual({ url, name, created: false, instance: undefined });
});

it('our database is dropped with whoever is connected to it, and dropping it twice is no error', async () => {
  await ensureDatabase(url);
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await dropDatabase(url);
  await dropDatabase(url);
  expect(await query(`select 1 from pg_database where datname = '${name}'`)).toEqual([]);
  await client.end().catch(() => undefined);
});

it('a refused login is told without the password', async () => {
  const wrong = new URL(server);
  wrong.username = 'nobody_at_all';
  wrong.password = 'do-not-show';
  const error = await ensureDatabase(wrong.href, { name }).catch((cause: Error) => cause);
  expect(String(error)).toMatch(/does not let us in .*correct VANE_DATABASE_URL/);
  expect(String(error)).not.toContain('do-not-show');
});

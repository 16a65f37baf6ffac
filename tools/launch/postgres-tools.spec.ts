import { expect, it } from '@jest/globals';
import { postgresTool } from './postgres-tools.mjs';

it('a program of Postgres that is not there is named, with what to install', () => {
  expect(() => postgresTool('pg_no_such_program')).toThrow('Vane needs pg_no_such_program for this and found none: install the client programs of PostgreSQL');
});

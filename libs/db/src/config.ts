/** The database that the command line tools of this library use. Throws a sentence that says what to set. */
export function databaseUrlFromEnvironment(): string {
  const url = process.env['VANE_DATABASE_URL'];
  if (!url) throw new Error('Set VANE_DATABASE_URL, for example to postgres://postgres@127.0.0.1:5432/vane.');
  return url;
}

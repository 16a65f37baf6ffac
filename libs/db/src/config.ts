/** The database that the command line tools of this library use. Throws a sentence that says what to set. */
export function databaseUrlFromEnvironment(): string {
  const url = process.env['VANE_DATABASE_URL'];
  if (!url) throw new Error('Set VANE_DATABASE_URL, for example to postgres://postgres@127.0.0.1:5432/vane.');
  return url;
}

/** The variables that hold key rings, or the paths of files that do. */
export function ringSourcesFromEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('VANE_KEYS_')));
}

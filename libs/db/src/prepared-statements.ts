import pg from 'pg';

/** Vane has not a tenth as many texts: whoever makes them anew for every call does not fill the server's memory. */
const MOST = 2_000;
/** A name stands for one text in all connections of this process; a text that was forgotten gets another name. */
const names = new Map<string, string>();
let made = 0;

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST) return known;
  made += 1;
  const name = `vane_${made}`;
  names.set(text, name);
  return name;
}

/** A migration gave what the statement returns other columns: from now on it is prepared under another name. */
function forgetChanged(text: string, error: unknown): void {
  if ((error as { routine?: string } | null)?.routine === 'RevalidateCachedQuery') names.delete(text);
}

type Asked = { text?: unknown; values?: unknown; name?: unknown; submit?: unknown };
type Told = (error: unknown, result: unknown) => void;
type Query = (config: unknown, values?: unknown, told?: Told) => unknown;

/**
 * A connection that prepares each statement with parameters once, under a name: Postgres reads and plans it once instead of
 * at every call, which is most of what a short statement costs. It goes on to plan with the values where that is cheaper
 * (https://www.postgresql.org/docs/current/sql-prepare.html, "Notes").
 */
export class PreparingClient extends pg.Client {
  override query = ((config: unknown, values?: unknown, told?: Told): unknown => {
    const plain = (super.query as Query).bind(this);
    const asked = (typeof config === 'string' ? { text: config } : (config ?? {})) as Asked;
    const given = Array.isArray(values) ? values : asked.values;
    const { text } = asked;
    const named = asked.name !== undefined || typeof asked.submit === 'function';
    const name = typeof text === 'string' && Array.isArray(given) && !named ? nameOf(text) : undefined;
    if (typeof text !== 'string' || name === undefined) return plain(config, values, told);
    const callback = typeof values === 'function' ? (values as Told) : told;
    if (callback) {
      return plain({ ...asked, name }, given, (error, result) => {
        forgetChanged(text, error);
        callback(error, result);
      });
    }
    return (plain({ ...asked, name }, given) as Promise<unknown>).catch((error: unknown) => {
      forgetChanged(text, error);
      throw error;
    });
  }) as pg.Client['query'];
}

type Query = Record<string, unknown> | unknown[];

const isContainer = (value: unknown): value is Query => typeof value === 'object' && value !== null;
/** PHP's `empty()`. */
const isEmpty = (value: unknown) => !value || value === '0' || (isContainer(value) && Object.keys(value).length === 0);
const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right);
/** PHP's `==` on scalars, near enough for filters: numbers and numeric strings compare as numbers. */
const loose = (left: unknown, right: unknown): boolean => same(left, right) || (!isContainer(left) && !isContainer(right) && String(left) === String(right));

function equals(value: unknown, wanted: unknown): boolean {
  if (isContainer(value)) return isContainer(wanted) ? same(value, wanted) : Object.values(value).some((item) => loose(item, wanted));
  const regex = typeof wanted === 'string' ? /^\/(.*?)\/([a-z]*)$/i.exec(wanted) : null;
  if (regex) return new RegExp(regex[1] ?? '', regex[2]).test(String(value));
  return value === wanted;
}

function listOf(operator: string, wanted: unknown): unknown[] {
  if (!Array.isArray(wanted)) throw new Error(`${operator} requires array`);
  return wanted;
}

function common(value: unknown, wanted: unknown[]): number {
  const values = isContainer(value) ? Object.values(value) : [value];
  return values.filter((item) => wanted.some((other) => loose(item, other))).length;
}

/** Operators on one element; `undefined` is "does not exist", as is null (PHP's isset). */
const operators: Record<string, (value: unknown, wanted: unknown) => boolean> = {
  $e: (value, wanted) => value !== undefined && equals(value, wanted),
  $ne: (value, wanted) => (value === undefined ? wanted !== null : !equals(value, wanted)),
  $in: (value, wanted) => value !== undefined && common(value, listOf('$in', wanted)) > 0,
  $nin: (value, wanted) => value === undefined || common(value, listOf('$nin', wanted)) === 0,
  $all: (value, wanted) => value !== undefined && listOf('$all', wanted).length > 0 && listOf('$all', wanted).every((item) => common(value, [item]) > 0),
  $gt: (value, wanted) => value !== undefined && (value as number) > (wanted as number),
  $gte: (value, wanted) => value !== undefined && (value as number) >= (wanted as number),
  $lt: (value, wanted) => value !== undefined && (value as number) < (wanted as number),
  $lte: (value, wanted) => value !== undefined && (value as number) <= (wanted as number),
  $exists: (value, wanted) => Boolean(wanted) === (value !== undefined),
  $mod: (value, wanted) => value !== undefined && Number(value) % Number(listOf('$mod', wanted)[0]) === listOf('$mod', wanted)[1],
};

function onElement(operator: string, wanted: unknown, path: string[], document: unknown): boolean {
  if (operator === '$not') return !allOnElement(wanted as Query, path, document);
  let value: unknown = document;
  for (const [index, name] of path.entries()) {
    if (isEmpty(value)) return evaluate(operator, undefined, wanted);
    if (Array.isArray(value)) return value.some((item) => onElement(operator, wanted, path.slice(index), item));
    value = isContainer(value) ? (value as Record<string, unknown>)[name] : undefined;
    if (value === undefined || value === null) return evaluate(operator, undefined, wanted);
  }
  return evaluate(operator, value, wanted);
}

function evaluate(operator: string, value: unknown, wanted: unknown): boolean {
  const test = operators[operator];
  if (!test) throw new Error(`Operator ${operator} is unknown`);
  return test(value, wanted);
}

const allOnElement = (query: Query, path: string[], document: unknown): boolean =>
  Object.entries(query).every(([operator, wanted]) => onElement(operator, wanted, path, document));

function clause(key: string, wanted: unknown, document: unknown): boolean {
  if (key === '$not') return !matchesFilter(wanted as Query, document);
  if (key === '$and') return matchesFilter(wanted as Query, document);
  if (key === '$or' || key === '$nor') {
    const list = listOf(key, wanted) as Query[];
    if (list.length === 0) throw new Error(`${key} requires nonempty array`);
    return list.some((query) => matchesFilter(query, document)) === (key === '$or');
  }
  // An unknown operator at this level makes the filter match nothing.
  if (key.startsWith('$')) return false;
  return isContainer(wanted) ? allOnElement(wanted, key.split('.'), document) : onElement('$e', wanted, key.split('.'), document);
}

/**
 * Whether a document passes a Mongo-like filter, as the app webhook_listeners evaluates it: dot paths, `$e` (not `$eq`) for
 * equality, `/re/flags` strings as regular expressions. An empty filter passes. Throws on an unknown operator of an element.
 * https://docs.nextcloud.com/server/latest/admin_manual/webhook_listeners/index.html
 */
export function matchesFilter(filter: Query, document: unknown): boolean {
  if (Array.isArray(filter)) return filter.every((query) => matchesFilter(query as Query, document));
  return Object.entries(filter).every(([key, wanted]) => clause(key, wanted, document));
}

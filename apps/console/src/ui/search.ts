import { useLocation, useSearch } from 'wouter';

/** Filters of a list as they stand in the address, so that a filtered list can be linked to and Back works. */
export function useFilters<Name extends string>(names: readonly Name[]): [Record<Name, string>, (change: Partial<Record<Name, string>>) => void] {
  const params = new URLSearchParams(useSearch());
  const [location, navigate] = useLocation();
  const filters = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ''])) as Record<Name, string>;
  const change = (changed: Partial<Record<Name, string>>): void => {
    const next = new URLSearchParams(Object.entries({ ...filters, ...changed }).filter((entry): entry is [string, string] => Boolean(entry[1])));
    navigate(next.size ? `${location}?${next}` : location, { replace: true });
  };
  return [filters, change];
}

/** What a filter says to the API: nothing where it is empty. */
export const given = <Value extends string>(value: string): Value | undefined => (value === '' ? undefined : (value as Value));

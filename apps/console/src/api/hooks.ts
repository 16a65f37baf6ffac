import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import { routes } from 'virtual:contracts';
import { ApiError, call, type InputOf, type ItemOf, type OperationName, type OutputOf } from './client.js';

/** Input without the workspace, which the page knows. */
export type Asked<Name extends OperationName> = Omit<InputOf<Name>, 'workspace'>;

export const WorkspaceContext = createContext<string | undefined>(undefined);

/** Id of the workspace whose pages are open; empty outside of one. */
export const useWorkspaceId = (): string => useContext(WorkspaceContext) ?? '';

/** How often what is on the screen is asked for again, in milliseconds; a page in the background asks nothing. */
export const LIVE_MS = 4_000;

const retry = (count: number, error: Error): boolean => error instanceof ApiError && (error.status === 0 || error.status >= 500) && count < 2;

type Options = { live?: boolean | number; enabled?: boolean };
const interval = ({ live = true }: Options): number | false => (live === true ? LIVE_MS : live);

/** The answer of one operation, kept and asked for again while it is shown. */
export function useApi<Name extends OperationName>(name: Name, input: Asked<Name>, options: Options = {}) {
  const workspace = useWorkspaceId();
  return useQuery<OutputOf<Name>, ApiError>({
    queryKey: [name, workspace, input],
    queryFn: () => call(name, withWorkspace(name, workspace, input) as InputOf<Name>),
    refetchInterval: interval(options),
    enabled: options.enabled ?? true,
    placeholderData: keepPreviousData,
    retry,
  });
}

type Page<Item> = { items: Item[]; next: string | null };

/** A list of any length, page after page as it is scrolled; searched and ordered by the server. */
export function useList<Name extends OperationName>(name: Name, input: Asked<Name>, options: Options = {}) {
  const workspace = useWorkspaceId();
  const query = useInfiniteQuery<Page<ItemOf<Name>>, ApiError>({
    queryKey: [name, workspace, input, 'pages'],
    queryFn: ({ pageParam }) =>
      call(name, { ...withWorkspace(name, workspace, input), ...(pageParam === null ? {} : { cursor: pageParam }) } as InputOf<Name>) as Promise<Page<ItemOf<Name>>>,
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    // Pages that were scrolled past are not asked for again: only a list at its beginning is live.
    refetchInterval: (state) => ((state.state.data?.pages.length ?? 0) > 1 ? false : interval(options)),
    enabled: options.enabled ?? true,
    placeholderData: keepPreviousData,
    retry,
  });
  return { ...query, items: query.data?.pages.flatMap(({ items }) => items) ?? [] };
}

/** Something that changes what is stored; everything on the screen is asked for again afterwards. */
export function useAction<Name extends OperationName>(name: Name, done?: (output: OutputOf<Name>) => void) {
  const workspace = useWorkspaceId();
  const client = useQueryClient();
  return useMutation<OutputOf<Name>, ApiError, Asked<Name>>({
    mutationFn: (input) => call(name, withWorkspace(name, workspace, input) as InputOf<Name>),
    onSuccess: (output) => done?.(output),
    onSettled: () => refresh(client),
  });
}

export const refresh = (client: QueryClient): void => void client.invalidateQueries();

/** What is of no workspace is not told one. */
function withWorkspace(name: string, workspace: string, input: object): object {
  return routes[name]?.[1].includes('{workspace}') ? { workspace, ...input } : input;
}

import type { ItemOf } from './client.js';
import { useApi } from './hooks.js';

/** The installed services, by id. */
export function useServices() {
  const { data, error } = useApi('listServices', {}, { live: false });
  return { data: data?.items, error, of: (id: string) => data?.items.find((service) => service.id === id) };
}
export type Service = ItemOf<'listServices'>;

/** Names of triggers by id, as far as the newest 200 go; the id itself for others. */
export function useTriggerNames(): (id: string) => string {
  const { data } = useApi('listTriggers', { limit: 200 }, { live: 30_000 });
  const names = new Map(data?.items.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
}

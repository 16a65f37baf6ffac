import { useApi } from '../api/hooks.js';
import { t } from '../messages.js';
import { SelectInput } from '../ui/fields.js';

/** Narrows a list to what belongs to one trigger. */
export function TriggerFilter({ value, onChange }: { value: string; onChange: (trigger: string) => void }) {
  const { data } = useApi('listTriggers', { limit: 200 }, { live: 30_000 });
  return <SelectInput label={t.common.trigger} value={value} empty={t.common.all} choices={(data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }))} onChange={onChange} />;
}

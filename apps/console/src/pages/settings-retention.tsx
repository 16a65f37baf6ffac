import { useState } from 'react';
import type { OutputOf } from '../api/client.js';
import { useAction, useApi } from '../api/hooks.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Answer, Button, Card, Note, Problem } from '../ui/parts.js';

const words = t.settings.retention;

export function RetentionTab() {
  const query = useApi('getRetention', {}, { live: false });
  return <Card title={t.settings.tabs.retention}><p className="muted">{words.lead}</p><Answer query={query}>{(data) => <RetentionForm kept={data} />}</Answer></Card>;
}

function RetentionForm({ kept }: { kept: OutputOf<'getRetention'> }) {
  const [days, setDays] = useState({ deliveriesDays: String(kept.deliveriesDays), eventsDays: String(kept.eventsDays), runsDays: String(kept.runsDays) });
  const update = useAction('updateRetention');
  const mayAdmin = useMay('admin');
  const set = (key: keyof typeof days) => (value: string) => setDays((before) => ({ ...before, [key]: value }));
  const save = (): void => update.mutate({ ifMatch: kept.version, deliveriesDays: Number(days.deliveriesDays), eventsDays: Number(days.eventsDays), runsDays: Number(days.runsDays) });
  return (
    <form className="form" onSubmit={(event) => { event.preventDefault(); save(); }}>
      <div className="form-row">
        <TextInput label={words.deliveries} type="number" required value={days.deliveriesDays} onChange={set('deliveriesDays')} />
        <TextInput label={words.events} type="number" required value={days.eventsDays} onChange={set('eventsDays')} />
        <TextInput label={words.runs} type="number" required value={days.runsDays} onChange={set('runsDays')} />
      </div>
      <Problem error={update.error} />
      {update.isSuccess ? <Note tone="ok">{words.saved}</Note> : null}
      {mayAdmin ? <div className="actions"><Button type="submit" kind="primary" pending={update.isPending}>{words.save}</Button></div> : null}
    </form>
  );
}

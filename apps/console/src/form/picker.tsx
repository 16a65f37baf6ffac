import { useDeferredValue, useState } from 'react';
import { useApi } from '../api/hooks.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Button, Loading, Modal, Problem } from '../ui/parts.js';

type Picked = { value: string; also: Record<string, string> };
type Level = { parent: string | undefined; label: string };
type PickerProps = { connection: string; triggerType: string; picker: string; label: string; onPick: (picked: Picked) => void };

/** A button that opens what the connected account has to choose from: searched, page by page, and walked into like folders. */
export function Picker(props: PickerProps) {
  const [open, setOpen] = useState(false);
  return (
    <div>
      <Button small icon="folder" onPress={() => setOpen(true)}>{t.form.browse}</Button>
      {open ? <Modal title={t.form.picker(props.label)} onClose={() => setOpen(false)}><Browse {...props} onPick={(picked) => { props.onPick(picked); setOpen(false); }} /></Modal> : null}
    </div>
  );
}

function Browse({ connection, triggerType, picker, onPick }: PickerProps) {
  const [path, setPath] = useState<Level[]>([{ parent: undefined, label: t.form.up }]);
  const [text, setText] = useState('');
  const [cursors, setCursors] = useState<string[]>([]);
  const q = useDeferredValue(text.trim());
  const { parent } = path.at(-1)!;
  const query = useApi('pick', { connection, triggerType, picker, ...(q ? { q } : {}), ...(parent === undefined ? {} : { parent }), ...(cursors.length ? { cursor: cursors.at(-1)! } : {}) }, { live: false });
  const walk = (next: Level[]): void => {
    setPath(next);
    setText('');
    setCursors([]);
  };
  return (
    <>
      <TextInput label={t.common.search} type="search" value={text} onChange={(value) => { setText(value); setCursors([]); }} />
      {path.length > 1 ? <div className="row">{path.map((level, depth) => <Button key={`${depth}${level.label}`} small kind="quiet" onPress={() => walk(path.slice(0, depth + 1))}>{level.label}</Button>)}</div> : null}
      <Problem error={query.error} />
      {query.data ? (
        <div className="pick-list">
          {query.data.items.length === 0 ? <p className="muted small">{t.form.empty}</p> : null}
          {query.data.items.map(({ value, label, description, inside, also }) => (
            <div key={`${value ?? ''}${inside ?? ''}${label}`} className="pick">
              <span><b>{label}</b>{description ? <span className="small muted"> {description}</span> : null}</span>
              <span className="row">
                {inside === undefined ? null : <Button small kind="quiet" onPress={() => walk([...path, { parent: inside, label }])} aria-label={`${t.form.inside} ${label}`}>{t.form.inside}</Button>}
                {value === null ? null : <Button small onPress={() => onPick({ value, also: also ?? {} })} aria-label={`${t.form.choose} ${label}`}>{t.form.choose}</Button>}
              </span>
            </div>
          ))}
        </div>
      ) : query.error ? null : <Loading />}
      {query.data?.next ? <Button small onPress={() => setCursors([...cursors, query.data!.next!])}>{t.common.more}</Button> : null}
    </>
  );
}

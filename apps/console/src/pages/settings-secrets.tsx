import { useState } from 'react';
import { useAction, useList } from '../api/hooks.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, Card, ConfirmButton, Empty, Problem } from '../ui/parts.js';
import { When } from '../ui/time.js';

const words = t.settings.secrets;

export function SecretsTab() {
  const list = useList('listSecrets', { limit: 100 });
  const remove = useAction('deleteSecret');
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const put = useAction('putSecret', () => { setName(''); setValue(''); });
  return (
    <>
      <Card title={t.settings.tabs.secrets} pad={false}>
        <Table label={t.settings.tabs.secrets} list={list} keyOf={(one) => one.name} empty={<Empty icon="settings" title={words.none}>{words.noneHint}</Empty>} columns={[
          { head: t.common.name, cell: (one) => <code>{one.name}</code> },
          { head: t.common.updated, cell: (one) => <When at={one.updatedAt} /> },
          { head: t.common.actions, cell: (one) => <ConfirmButton small label={t.common.delete} title={words.deleteTitle} confirm={t.common.delete} pending={remove.isPending} error={remove.error} onConfirm={(close) => remove.mutate({ name: one.name }, { onSuccess: close })}><p>{words.deleteText}</p></ConfirmButton> },
        ]} />
      </Card>
      <Card title={words.put}>
        <form className="form" onSubmit={(event) => { event.preventDefault(); put.mutate({ name, value }); }}>
          <div className="form-row">
            <TextInput label={words.name} hint={words.nameHint} required mono value={name} onChange={setName} />
            <TextInput label={words.value} type="password" required value={value} onChange={setValue} />
          </div>
          <Problem error={put.error} />
          <div className="actions"><Button type="submit" kind="primary" pending={put.isPending}>{t.common.save}</Button></div>
        </form>
      </Card>
    </>
  );
}

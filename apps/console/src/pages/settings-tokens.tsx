import { WORKSPACE_ROLES } from 'virtual:contracts';
import { useState } from 'react';
import { useAction, useList } from '../api/hooks.js';
import { t } from '../messages.js';
import { SelectInput, TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, Card, ConfirmButton, CopyLine, Empty, Note, Problem } from '../ui/parts.js';
import { When } from '../ui/time.js';

const words = t.settings.tokens;
type TokenRole = (typeof WORKSPACE_ROLES)[number];

export function TokensTab() {
  const list = useList('listTokens', { limit: 100 });
  const revoke = useAction('revokeToken');
  return (
    <>
      <Card title={t.settings.tabs.tokens} pad={false}>
        <Table label={t.settings.tabs.tokens} list={list} keyOf={({ id }) => id} empty={<Empty icon="settings" title={words.none}>{words.noneHint}</Empty>} columns={[
          { head: t.common.name, cell: (one) => <b>{one.name}</b> },
          { head: t.common.role, cell: (one) => one.role },
          { head: words.scopes, cell: (one) => <span className="chips">{one.scopes.map((scope) => <span key={scope} className="tag">{scope}</span>)}</span> },
          { head: words.by, cell: (one) => <span className="muted">{one.createdBy}</span> },
          { head: words.expires, cell: (one) => (one.expiresAt ? <When at={one.expiresAt} /> : words.never) },
          { head: t.common.actions, cell: (one) => <ConfirmButton small label={words.revoke} title={words.revokeTitle} confirm={words.revoke} pending={revoke.isPending} error={revoke.error} onConfirm={(close) => revoke.mutate({ token: one.id }, { onSuccess: close })}><p>{words.revokeText}</p></ConfirmButton> },
        ]} />
      </Card>
      <NewToken />
    </>
  );
}

function NewToken() {
  const [name, setName] = useState('');
  const [role, setRole] = useState<TokenRole>('editor');
  const [scopes, setScopes] = useState('write');
  const create = useAction('createToken', () => setName(''));
  const submit = (): void => create.mutate({ name, role, scopes: scopes.split(',').map((one) => one.trim()).filter(Boolean) });
  return (
    <Card title={words.create}>
      <form className="form" onSubmit={(event) => { event.preventDefault(); submit(); }}>
        <div className="form-row">
          <TextInput label={words.name} required value={name} onChange={setName} />
          <SelectInput label={t.common.role} value={role} choices={WORKSPACE_ROLES.map((value) => ({ value, label: t.settings.members.roles[value] }))} onChange={(value) => setRole(value as TokenRole)} />
          <TextInput label={words.scopes} hint={words.scopesHint} required value={scopes} onChange={setScopes} />
        </div>
        <Problem error={create.error} />
        <div className="actions"><Button type="submit" kind="primary" pending={create.isPending}>{t.common.create}</Button></div>
      </form>
      {create.data ? <Note tone="info"><b>{words.created}</b><CopyLine label={words.created} text={create.data.token} /><span className="small">{t.common.shownOnce}</span></Note> : null}
    </Card>
  );
}

import { WORKSPACE_ROLES } from 'virtual:contracts';
import { useState } from 'react';
import type { MemberView } from '@vane/contracts';
import { useAction, useList } from '../api/hooks.js';
import { t } from '../messages.js';
import { SelectInput, TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, Card, ConfirmButton, CopyLine, Empty, Note, Problem } from '../ui/parts.js';
import { When } from '../ui/time.js';

const words = t.settings.members;
type MemberRole = MemberView['role'];
const roleChoices = WORKSPACE_ROLES.map((value) => ({ value, label: words.roles[value] }));

export function MembersTab() {
  const members = useList('listMembers', { limit: 100 });
  const update = useAction('updateMember');
  const remove = useAction('removeMember');
  return (
    <>
      <Problem error={update.error} />
      <Card title={t.settings.tabs.members} pad={false}>
        <Table label={t.settings.tabs.members} list={members} keyOf={({ userId }) => userId} empty={<Empty icon="person" title={words.none}>{words.noneHint}</Empty>} columns={[
          { head: t.common.name, cell: (one) => <span><b>{one.name}</b> <span className="muted">{one.email}</span></span> },
          { head: t.common.role, cell: (one) => (
            <select className="input" aria-label={`${t.common.role} ${one.email}`} value={one.role} onChange={(event) => update.mutate({ user: one.userId, ifMatch: one.version, role: event.target.value as MemberRole })}>
              {roleChoices.map(({ value, label }) => <option key={value} value={value}>{label}</option>)}
            </select>
          ) },
          { head: words.since, cell: (one) => <When at={one.createdAt} /> },
          { head: t.common.actions, cell: (one) => <ConfirmButton small label={words.remove} title={words.removeTitle} confirm={words.remove} pending={remove.isPending} error={remove.error} onConfirm={(close) => remove.mutate({ user: one.userId }, { onSuccess: close })}><p>{words.removeText}</p></ConfirmButton> },
        ]} />
      </Card>
      <Invite />
    </>
  );
}

function Invite() {
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<MemberRole>('editor');
  const create = useAction('createInvitation', () => setEmail(''));
  const open = useList('listInvitations', { limit: 50 });
  const revoke = useAction('revokeInvitation');
  const waiting = open.items.filter(({ acceptedAt }) => acceptedAt === null);
  return (
    <Card title={words.invite}>
      <p className="muted small">{words.inviteHint}</p>
      <form className="form" onSubmit={(event) => { event.preventDefault(); create.mutate({ email, role }); }}>
        <div className="form-row">
          <TextInput label={words.email} type="email" required value={email} onChange={setEmail} />
          <SelectInput label={t.common.role} value={role} choices={roleChoices} onChange={(value) => setRole(value as MemberRole)} />
        </div>
        <Problem error={create.error} />
        <div className="actions"><Button type="submit" kind="primary" pending={create.isPending}>{words.inviteAction}</Button></div>
      </form>
      {create.data ? <Note tone="info"><b>{words.link}</b><CopyLine label={words.link} text={`${window.location.origin}/join#${encodeURIComponent(create.data.token)}`} /><span className="small">{t.common.shownOnce}</span></Note> : null}
      {waiting.length > 0 ? <h3>{words.open}</h3> : null}
      {waiting.map((one) => <div key={one.id} className="row between"><span>{one.email} <span className="muted small">{one.role}, {words.expires} <When at={one.expiresAt} /></span></span><Button small onPress={() => revoke.mutate({ invitation: one.id })}>{words.revoke}</Button></div>)}
    </Card>
  );
}

import { useState } from 'react';
import { useAction, useList } from '../api/hooks.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, Card, Note, Problem } from '../ui/parts.js';
import { When } from '../ui/time.js';

const words = t.settings.account;

export function AccountTab() {
  const sessions = useList('listSessions', { limit: 50 });
  const end = useAction('revokeSession');
  return (
    <>
      <Card title={words.sessions} pad={false}>
        <Table label={words.sessions} list={sessions} keyOf={({ id }) => id} empty={null} columns={[
          { head: t.common.name, cell: (one) => <span>{browserOf(one.userAgent)} {one.current ? <span className="tag">{words.current}</span> : null}</span> },
          { head: words.lastSeen, cell: (one) => <When at={one.lastSeenAt} /> },
          { head: t.common.actions, cell: (one) => (one.current ? null : <Button small onPress={() => end.mutate({ session: one.id })}>{words.end}</Button>) },
        ]} />
      </Card>
      <Problem error={end.error} />
      <PasswordCard />
    </>
  );
}

/** Browser and system out of a user agent, as far as people know them. */
function browserOf(agent: string): string {
  const browser = /(Firefox|Edg|OPR|HeadlessChrome|Chrome|Safari|curl)/.exec(agent)?.[1] ?? agent.slice(0, 40);
  const system = /(Windows|Macintosh|Android|iPhone|iPad|Linux)/.exec(agent)?.[1];
  return system ? `${browser} · ${system}` : browser;
}

function PasswordCard() {
  const [currentPassword, setCurrent] = useState('');
  const [newPassword, setNext] = useState('');
  const change = useAction('changePassword', () => { setCurrent(''); setNext(''); });
  return (
    <Card title={words.password}>
      <form className="form" onSubmit={(event) => { event.preventDefault(); change.mutate({ currentPassword, newPassword }); }}>
        <div className="form-row">
          <TextInput label={words.currentPassword} type="password" autoComplete="current-password" required value={currentPassword} onChange={setCurrent} />
          <TextInput label={words.newPassword} hint={t.firstUser.passwordHint} type="password" autoComplete="new-password" required value={newPassword} onChange={setNext} />
        </div>
        <Problem error={change.error} />
        {change.isSuccess ? <Note tone="ok">{words.changed}</Note> : null}
        <div className="actions"><Button type="submit" pending={change.isPending}>{words.save}</Button></div>
      </form>
    </Card>
  );
}

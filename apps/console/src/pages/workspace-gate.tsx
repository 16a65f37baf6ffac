import { useState } from 'react';
import { Redirect, useSearch } from 'wouter';
import { useAction, useApi } from '../api/hooks.js';
import { useSession, useSignOut } from '../api/session.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Button, Loading, Problem } from '../ui/parts.js';
import { GateCard } from './gate-card.js';

/** Chooses the workspace, or makes one; who has a single one is there at once. */
export function WorkspaceGate() {
  const session = useSession();
  const signOut = useSignOut();
  const asked = useSearch();
  const list = useApi('listWorkspaces', { limit: 200 }, { live: false });
  const create = useAction('createWorkspace', ({ id }) => window.location.assign(`/w/${id}/start`));
  const [name, setName] = useState('');
  if (!list.data) return list.error ? <GateCard title={t.workspaces.title}><Problem error={list.error} /></GateCard> : <Loading />;
  const { items } = list.data;
  if (items.length === 1 && asked === '') return <Redirect to={`/w/${items[0]!.id}`} />;
  const mayCreate = session.data?.user.superadmin === true;
  return (
    <GateCard title={t.workspaces.title} lead={items.length === 0 ? (mayCreate ? t.workspaces.none : t.workspaces.noneYours) : t.workspaces.lead} onSubmit={() => create.mutate({ name })}>
      {items.map((one) => <a key={one.id} className="choice" href={`/w/${one.id}`}>{one.name}</a>)}
      {mayCreate ? (
        <>
          <TextInput label={t.workspaces.name} required value={name} onChange={setName} />
          <Problem error={create.error} />
          <Button type="submit" kind="primary" pending={create.isPending}>{t.workspaces.create}</Button>
        </>
      ) : null}
      <Button kind="quiet" onPress={() => void signOut()}>{t.nav.signOut}</Button>
    </GateCard>
  );
}

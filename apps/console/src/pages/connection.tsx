import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import type { ConnectionView } from '@vane/contracts';
import { useAction, useApi } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { t } from '../messages.js';
import { CheckInput, SelectInput } from '../ui/fields.js';
import { Answer, Button, Card, ConfirmButton, Facts, Note, Page, Problem, ServiceIcon, Status } from '../ui/parts.js';
import { toneOf } from '../ui/status.js';
import { Exact, When } from '../ui/time.js';
import { openWindow, Popup } from './connect.js';

export function ConnectionPage() {
  const { connection = '' } = useParams();
  const query = useApi('getConnection', { connection });
  return <Answer query={query}>{(data) => <ConnectionDetail connection={data} />}</Answer>;
}

function ConnectionDetail({ connection }: { connection: ConnectionView }) {
  const service = useServices().of(connection.service);
  const triggers = useApi('listTriggers', { connection: connection.id, limit: 200 });
  const items = triggers.data?.items ?? [];
  return (
    <Page
      title={<span className="row"><ServiceIcon service={service} />{connection.name ?? connection.accountLabel} <Status of={connection.status} /></span>}
      crumbs={[{ label: t.nav.connections, to: '/connections' }, { label: connection.name ?? connection.accountLabel }]}
      actions={connection.usable ? <><Reconnect connection={connection.id} primary={connection.status === 'auth_required'} /><Disconnect connection={connection.id} /></> : null}
    >
      {connection.reason ? <Note tone={toneOf(connection.status)}>{connection.reason}</Note> : null}
      {connection.usable ? null : <Note>{t.connections.unusable}</Note>}
      <div className="split">
        <div className="stack">
          <Card title={t.connections.triggers}>
            {items.length === 0 ? <p className="muted">{t.connections.noTriggers}</p> : <ul className="stack-s">{items.map((one) => <li key={one.id} className="row between"><Link href={`/triggers/${one.id}`}>{one.name}</Link><Status of={one.health.state} /></li>)}</ul>}
            {items.length > 0 && connection.usable ? <Move connection={connection} /> : null}
          </Card>
          <Orphans connection={connection.id} />
        </div>
        <Card title={t.common.facts}>
          <Facts of={[
            [t.common.service, service?.label ?? connection.service],
            [t.connections.who, connection.accountLabel],
            [t.common.status, connection.private ? t.connections.private : t.connections.shared],
            [t.connections.scopes, <span key="s" className="chips">{connection.scopes.map((scope) => <span key={scope} className="tag">{scope}</span>)}</span>],
            [t.connections.expires, connection.expiresAt ? <span key="e"><When at={connection.expiresAt} /><br /><span className="small muted">{t.connections.expiresHint}</span></span> : t.connections.expiresNever],
            [t.connections.integration, <Link key="i" href={`/integrations/${connection.integrationId}`}>{connection.integrationId}</Link>],
            [t.connections.by, <Exact key="c" at={connection.createdAt} />],
          ]} />
        </Card>
      </div>
    </Page>
  );
}

function Reconnect({ connection, primary }: { connection: string; primary: boolean }) {
  const [blocked, setBlocked] = useState(false);
  const reconnect = useAction('reconnectConnection');
  const start = (): void => {
    const popup = openWindow();
    setBlocked(!popup.opened);
    reconnect.mutate({ connection }, { onSuccess: ({ url }) => popup.go(url) });
  };
  return (
    <>
      <Button kind={primary ? 'primary' : 'plain'} pending={reconnect.isPending} onPress={start}>{t.connections.reconnect}</Button>
      {reconnect.data ? <Popup url={reconnect.data.url} blocked={blocked} /> : null}
      <Problem error={reconnect.error} />
    </>
  );
}

function Disconnect({ connection }: { connection: string }) {
  const [, navigate] = useLocation();
  const [force, setForce] = useState(false);
  const remove = useAction('deleteConnection', ({ state }) => { if (state === 'disconnected') navigate('/connections'); });
  return (
    <>
      <ConfirmButton label={t.connections.disconnect} title={t.connections.disconnectTitle} confirm={t.connections.disconnect} pending={remove.isPending} error={remove.error} onConfirm={(close) => remove.mutate({ connection, triggers: 'delete', force: force ? 'true' : 'false' }, { onSuccess: close })}>
        <Plan connection={connection} />
        <CheckInput label={t.connections.force} value={force} onChange={setForce} />
      </ConfirmButton>
      {remove.data?.message ? <Note tone="warn">{remove.data.message}</Note> : null}
    </>
  );
}

/** What would go with the connection, as the server reckons it. */
function Plan({ connection }: { connection: string }) {
  const query = useApi('planDisconnection', { connection }, { live: false });
  return (
    <Answer query={query}>
      {(plan) => (
        <div className="stack-s">
          <p>{t.connections.disconnectPlan(plan.triggerCount, plan.subscriptions, plan.heldRuns)}</p>
          {plan.triggers.length > 0 ? <ul>{plan.triggers.map(({ id, name }) => <li key={id}>{name}</li>)}</ul> : null}
          <p className="small muted">{plan.revocation}</p>
        </div>
      )}
    </Answer>
  );
}

function Move({ connection }: { connection: ConnectionView }) {
  const [to, setTo] = useState('');
  const { data } = useApi('listConnections', { limit: 200 }, { live: false });
  const move = useAction('moveTriggers');
  const others = (data?.items ?? []).filter((one) => one.service === connection.service && one.id !== connection.id && one.usable);
  if (others.length === 0) return null;
  return (
    <div className="stack-s">
      <h3>{t.connections.move}</h3>
      <p className="small muted">{t.connections.moveHint}</p>
      <SelectInput label={t.connections.moveTo} value={to} empty={t.form.choose} choices={others.map((one) => ({ value: one.id, label: one.name ?? one.accountLabel }))} onChange={setTo} />
      <div className="actions"><Button small pending={move.isPending} isDisabled={to === ''} onPress={() => move.mutate({ connection: connection.id, to })}>{t.connections.move}</Button></div>
      <Problem error={move.error} />
      {move.data ? <Note>{t.connections.moved(move.data.moved.length, move.data.failed.length, move.data.remaining)}</Note> : null}
    </div>
  );
}

function Orphans({ connection }: { connection: string }) {
  const [asked, setAsked] = useState(false);
  const query = useApi('listOrphans', { connection }, { enabled: asked, live: false });
  const remove = useAction('deleteOrphan', () => void query.refetch());
  return (
    <Card title={t.connections.orphans} actions={<Button small pending={query.isFetching} onPress={() => { setAsked(true); if (asked) void query.refetch(); }}>{t.connections.orphansAction}</Button>}>
      <p className="small muted">{t.connections.orphansHint}</p>
      <Problem error={query.error ?? remove.error} />
      {query.data?.items.length === 0 ? <p>{t.connections.noOrphans}</p> : null}
      {query.data?.items.map((one) => (
        <div key={one.feed + one.externalId} className="row between"><span><code>{one.externalId}</code> {one.resource}</span><Button small kind="danger" onPress={() => remove.mutate({ connection, feed: one.feed, externalId: one.externalId })}>{t.common.delete}</Button></div>
      ))}
    </Card>
  );
}

import { useState } from 'react';
import type { SubscriptionView, TriggerView } from '@vane/contracts';
import { useAction, useApi } from '../api/hooks.js';
import { t } from '../messages.js';
import { Button, Card, Code, Facts, Loading, Note, Problem, Status } from '../ui/parts.js';

/** Every layer from the connection to the last run, when it is asked for. */
export function Diagnosis({ trigger }: { trigger: string }) {
  const [asked, setAsked] = useState(false);
  const query = useApi('diagnoseTrigger', { trigger }, { enabled: asked, live: false });
  const { data } = query;
  const ask = (): void => {
    setAsked(true);
    if (asked) void query.refetch();
  };
  return (
    <Card title={t.triggers.why} actions={<Button small pending={query.isFetching} onPress={ask}>{t.triggers.whyAction}</Button>}>
      {data ? null : <p className="muted">{t.triggers.whyHint}</p>}
      <Problem error={query.error} />
      {query.isFetching && !data ? <Loading /> : null}
      {data?.firstBroken === null ? <Note tone="ok">{t.triggers.allOk}</Note> : null}
      {data ? (
        <ol className="timeline" aria-label={t.triggers.why}>
          {data.layers.map((layer) => (
            <li key={layer.layer} className={layer.state === 'ok' ? 't-ok' : layer.state === 'broken' ? 't-bad' : ''}>
              <span className="row"><b>{t.triggers.layers[layer.layer]}</b><Status of={layer.state} />{data.firstBroken === layer.layer ? <span className="small error">{t.triggers.firstBroken}</span> : null}</span>
              <span className="small">{layer.message}</span>
              {layer.fix ? <Note tone="warn"><b>{t.triggers.fix}</b><span>{layer.fix}</span></Note> : null}
            </li>
          ))}
        </ol>
      ) : null}
    </Card>
  );
}

/** What the service holds beside what we want, and both ways to settle a difference. */
export function ProviderView({ trigger, subscription }: { trigger: TriggerView; subscription: SubscriptionView }) {
  const [asked, setAsked] = useState(false);
  const query = useApi('getProviderView', { trigger: trigger.id }, { enabled: asked, live: false });
  const settle = useAction('resolveDrift', () => void query.refetch());
  const drift = query.data?.drift ?? subscription.drift;
  const ask = (): void => {
    setAsked(true);
    if (asked) void query.refetch();
  };
  return (
    <Card title={t.triggers.provider} actions={<Button small pending={query.isFetching} onPress={ask}>{t.triggers.providerAction}</Button>}>
      {query.data ? (
        <Facts of={[[t.common.status, <Status key="s" of={query.data.state} />], [t.common.reason, query.data.message], [t.triggers.drift, drift ? null : t.triggers.noDrift]]} />
      ) : <p className="muted">{t.triggers.providerHint}</p>}
      <Problem error={query.error ?? settle.error} />
      {drift ? (
        <div className="stack-s">
          <Note tone="warn"><b>{t.triggers.drift}</b></Note>
          <Difference ours={drift.ours} theirs={drift.theirs} />
          <div className="actions">
            <Button kind="primary" small pending={settle.isPending} onPress={() => settle.mutate({ subscription: subscription.id, action: 'restore' })}>{t.triggers.restore}</Button>
            <Button small pending={settle.isPending} onPress={() => settle.mutate({ subscription: subscription.id, action: 'keep' })}>{t.triggers.keep}</Button>
          </div>
        </div>
      ) : query.data?.fields ? <Code value={query.data.fields} label={t.triggers.theirs} /> : null}
    </Card>
  );
}

/** Two objects member by member, the members that differ marked. */
function Difference({ ours, theirs }: { ours: Record<string, unknown>; theirs: Record<string, unknown> | null }) {
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs ?? {})])];
  return (
    <table className="table" aria-label={t.triggers.drift}>
      <thead><tr><th scope="col">{t.common.name}</th><th scope="col">{t.triggers.ours}</th><th scope="col">{t.triggers.theirs}</th></tr></thead>
      <tbody>
        {names.map((name) => {
          const [one, other] = [JSON.stringify(ours[name]), JSON.stringify(theirs?.[name])];
          return <tr key={name}><td><code>{name}</code></td><td data-label={t.triggers.ours}><code>{one ?? '–'}</code></td><td data-label={t.triggers.theirs} className={one === other ? '' : 'error'}><code>{other ?? '–'}</code></td></tr>;
        })}
      </tbody>
    </table>
  );
}

export function SyncNow({ trigger }: { trigger: string }) {
  const start = useAction('startSync');
  const id = start.data?.id;
  const { data } = useApi('getSync', { sync: id ?? '' }, { enabled: id !== undefined, live: 1_500 });
  const sync = id === undefined ? undefined : data;
  return (
    <>
      <Button small pending={start.isPending || sync?.state === 'running'} onPress={() => start.mutate({ trigger })}>{t.triggers.sync}</Button>
      {sync ? <span className="small muted" role="status">{sync.state === 'running' ? t.triggers.syncing(sync.progress.done, sync.progress.total) : t.triggers.synced(sync.findings.length)}</span> : null}
      <Problem error={start.error} />
    </>
  );
}

export function Canary({ subscription }: { subscription: string }) {
  const send = useAction('sendCanary');
  const { data } = useApi('listCanaries', { subscription, limit: 1 }, { enabled: send.data !== undefined, live: 1_500 });
  const latest = send.data ? (data?.items[0] ?? send.data) : undefined;
  return (
    <>
      <Button small pending={send.isPending || latest?.state === 'waiting'} onPress={() => send.mutate({ subscription })}>{t.triggers.canary}</Button>
      {latest ? <span className="small muted" role="status">{latest.state === 'heard' ? t.triggers.canaryState.heard(latest.roundTripMs) : (latest.message ?? t.triggers.canaryState[latest.state])}</span> : null}
      <Problem error={send.error} />
    </>
  );
}

import { SECRET_OVERLAPS } from 'virtual:contracts';
import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import type { TriggerView } from '@vane/contracts';
import { useAction, useApi } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { CheckInput, SelectInput } from '../ui/fields.js';
import { Answer, Button, ButtonLink, Card, Code, ConfirmButton, CopyLine, Facts, Note, Page, Problem, ServiceIcon, Status } from '../ui/parts.js';
import { toneOf, wordOf } from '../ui/status.js';
import { Exact, When } from '../ui/time.js';
import { Canary, Diagnosis, ProviderView, SyncNow } from './trigger-checks.js';
import { TestCard } from './trigger-test.js';

export function TriggerPage() {
  const { trigger = '' } = useParams();
  const query = useApi('getTrigger', { trigger });
  return <Answer query={query}>{(data) => <TriggerDetail trigger={data} />}</Answer>;
}

function TriggerDetail({ trigger }: { trigger: TriggerView }) {
  const services = useServices();
  const service = services.of(trigger.service);
  const mayEdit = useMay('editor');
  const { subscription } = trigger;
  return (
    <Page
      title={<span className="row"><ServiceIcon service={service} />{trigger.name} <Status of={trigger.status} /></span>}
      crumbs={[{ label: t.nav.triggers, to: '/triggers' }, { label: trigger.name }]} lead={trigger.summary} actions={mayEdit ? <TriggerActions trigger={trigger} /> : null}
    >
      {trigger.statusReason ? <Note tone="warn"><b>{trigger.statusReason.message}</b></Note> : null}
      <Health trigger={trigger} />
      <div className="split">
        <div className="stack">
          <LatestRuns trigger={trigger.id} />
          {mayEdit ? <Diagnosis trigger={trigger.id} /> : null}
          {mayEdit && subscription ? <ProviderView trigger={trigger} subscription={subscription} /> : null}
          <History trigger={trigger} />
        </div>
        <div className="stack">
          <TriggerFacts trigger={trigger} serviceLabel={service?.label ?? trigger.service} />
          {service && !service.usesOAuth ? <Card title={t.triggers.url}><CopyLine label={t.triggers.url} text={trigger.callbackUrl} /><p className="small muted">{t.triggers.urlHint}</p></Card> : null}
          <TestCard trigger={trigger} />
          {subscription ? <SubscriptionCard trigger={trigger} /> : null}
          <Card title={t.triggers.config}><Code value={trigger.config} label={t.triggers.config} /></Card>
        </div>
      </div>
    </Page>
  );
}

function Health({ trigger: { health } }: { trigger: TriggerView }) {
  if (health.state === 'healthy' || (health.state === 'unknown' && health.reason === null)) return null;
  return (
    <Note tone={toneOf(health.state)}>
      <span className="row"><Status of={health.state} />{health.since ? <span className="small"><When at={health.since} /></span> : null}</span>
      {health.reason ? <span>{health.reason.message}</span> : null}
      {health.hint ? <span className="small">{health.hint}</span> : null}
    </Note>
  );
}

function TriggerActions({ trigger: { id, status } }: { trigger: TriggerView }) {
  const [, navigate] = useLocation();
  const [force, setForce] = useState(false);
  const pause = useAction('pauseTrigger');
  const resume = useAction('resumeTrigger');
  const remove = useAction('deleteTrigger', () => navigate('/triggers'));
  return (
    <>
      {status === 'enabled'
        ? <Button pending={pause.isPending} onPress={() => pause.mutate({ trigger: id })}>{t.triggers.pause}</Button>
        : <Button kind="primary" pending={resume.isPending} onPress={() => resume.mutate({ trigger: id })}>{t.triggers.resume}</Button>}
      <ButtonLink to={`/triggers/${id}/edit`}>{t.common.edit}</ButtonLink>
      <ConfirmButton label={t.common.delete} title={t.triggers.deleteTitle} confirm={t.common.delete} pending={remove.isPending} error={remove.error} onConfirm={() => remove.mutate({ trigger: id, force: force ? 'true' : 'false' })}>
        <p>{t.triggers.deleteText}</p>
        <CheckInput label={t.triggers.deleteForce} value={force} onChange={setForce} />
      </ConfirmButton>
      <Problem error={pause.error ?? resume.error} />
    </>
  );
}

function TriggerFacts({ trigger, serviceLabel }: { trigger: TriggerView; serviceLabel: string }) {
  const connection = useApi('getConnection', { connection: trigger.connectionId ?? '' }, { enabled: trigger.connectionId !== null && useMay('editor'), live: 30_000 });
  const runnable = useApi('getRunnable', { runnable: trigger.runnableId ?? '' }, { enabled: trigger.runnableId !== null, live: 30_000 });
  return (
    <Card title={t.common.facts}>
      <Facts of={[
        [t.common.service, <Link key="s" href={`/services/${trigger.service}`}>{serviceLabel}</Link>],
        [t.triggers.health, <Status key="h" of={trigger.health.state} />],
        [t.common.connection, trigger.connectionId ? <Link key="c" href={`/connections/${trigger.connectionId}`}>{connection.data?.name ?? connection.data?.accountLabel ?? trigger.connectionId}</Link> : null],
        [t.common.runnable, trigger.runnableId ? <Link key="r" href={`/runnables/${trigger.runnableId}`}>{runnable.data?.name ?? trigger.runnableId}</Link> : t.common.none],
        [t.triggers.pull, trigger.pull ? <span key="p"><Status of={trigger.pull.state} /> {trigger.pull.reason?.message}</span> : null],
        [t.triggers.lastPull, trigger.pull?.lastPullAt ? <When key="l" at={trigger.pull.lastPullAt} /> : null],
        [t.common.created, <Exact key="cr" at={trigger.createdAt} />],
        [t.common.id, <code key="i">{trigger.id}</code>],
      ]} />
    </Card>
  );
}

function SubscriptionCard({ trigger }: { trigger: TriggerView }) {
  const subscription = trigger.subscription!;
  const mayEdit = useMay('editor');
  return (
    <Card title={t.triggers.subscription} actions={<Status of={subscription.status} />}>
      {subscription.reason ? <Note tone={toneOf(subscription.status)}>{subscription.reason.message}</Note> : null}
      <Facts of={[
        [t.triggers.resource, subscription.resource || null],
        [t.triggers.verified, subscription.verified ? t.common.yes : t.triggers.notVerified],
        [t.triggers.expires, subscription.expiresAt ? <When key="e" at={subscription.expiresAt} /> : null],
        [t.triggers.renewal, subscription.renewAt ? <When key="r" at={subscription.renewAt} /> : null],
        [t.triggers.checked, subscription.checkedAt ? <When key="c" at={subscription.checkedAt} /> : null],
        [t.triggers.external, subscription.externalId ? <code key="x">{subscription.externalId}</code> : null],
      ]} />
      {mayEdit ? <div className="actions"><SyncNow trigger={trigger.id} /><Canary subscription={subscription.id} /><Rotate subscription={subscription.id} /></div> : null}
    </Card>
  );
}

function Rotate({ subscription }: { subscription: string }) {
  const [overlap, setOverlap] = useState<keyof typeof SECRET_OVERLAPS>('24h');
  const rotate = useAction('rotateSubscriptionSecret');
  return (
    <>
      <ConfirmButton kind="primary" small label={t.triggers.rotate} title={t.triggers.rotateTitle} confirm={t.triggers.rotate} pending={rotate.isPending} error={rotate.error} onConfirm={(close) => rotate.mutate({ subscription, overlap }, { onSuccess: close })}>
        <p>{t.triggers.rotateText}</p>
        <SelectInput label={t.triggers.overlap} value={overlap} choices={Object.keys(SECRET_OVERLAPS).map((value) => ({ value, label: value }))} onChange={(value) => setOverlap(value as typeof overlap)} />
      </ConfirmButton>
      {rotate.data?.secret ? <Note tone="info"><span>{t.common.shownOnce}</span><CopyLine label={t.triggers.secret} text={rotate.data.secret} /></Note> : null}
    </>
  );
}

function LatestRuns({ trigger }: { trigger: string }) {
  const runs = useApi('listRuns', { trigger, limit: 8 });
  const items = runs.data?.items ?? [];
  return (
    <Card title={t.triggers.runs} pad={items.length === 0} actions={<Link href={`/runs?trigger=${trigger}`} className="small">{t.triggers.allRuns}</Link>}>
      {items.length === 0 ? <p className="muted">{t.triggers.noRuns}</p> : (
        <table className="table" aria-label={t.triggers.runs}>
          <tbody>{items.map((run) => (
            <tr key={run.id}><td><Link href={`/runs/${run.id}`}><When at={run.createdAt} /></Link></td><td data-label={t.common.status}><Status of={run.status} /></td><td data-label={t.common.reason} className="muted">{run.reason}</td></tr>
          ))}</tbody>
        </table>
      )}
    </Card>
  );
}

function History({ trigger: { subscription } }: { trigger: TriggerView }) {
  const entries = [...(subscription?.history ?? [])].reverse();
  return (
    <Card title={t.triggers.history}>
      {entries.length === 0 ? <p className="muted">{t.triggers.noHistory}</p> : (
        <ol className="timeline">
          {entries.map((entry, index) => (
            <li key={`${entry.at}${index}`} className={`t-${toneOf(entry.status)}`}>
              <b>{wordOf(entry.status)}</b> <span className="small muted"><Exact at={entry.at} /></span>
              {entry.reason ? <><br /><span className="small">{entry.reason.message}</span></> : null}
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

import { RUN_STATUSES } from 'virtual:contracts';
import { Link, useLocation, useParams } from 'wouter';
import type { AttemptView, RunStatus } from '@vane/contracts';
import type { OutputOf } from '../api/client.js';
import { useAction, useApi, useList } from '../api/hooks.js';
import { useTriggerNames } from '../api/lookups.js';
import { t } from '../messages.js';
import { SelectInput } from '../ui/fields.js';
import { LongList } from '../ui/list.js';
import { Answer, Button, ButtonLink, Card, Code, Empty, Facts, Note, Page, Problem, Status } from '../ui/parts.js';
import { given, useFilters } from '../ui/search.js';
import { toneOf, wordOf } from '../ui/status.js';
import { Exact, lasted, When } from '../ui/time.js';
import { TriggerFilter } from './trigger-filter.js';

export function RunsPage() {
  const [filters, setFilters] = useFilters(['status', 'trigger', 'event']);
  const list = useList('listRuns', { limit: 100, status: given<RunStatus>(filters.status), trigger: given(filters.trigger), event: given(filters.event) });
  const nameOf = useTriggerNames();
  const filtered = Object.values(filters).some(Boolean);
  return (
    <Page title={t.runs.title} lead={t.runs.lead}>
      <div className="filters">
        <SelectInput label={t.common.status} value={filters.status} empty={t.common.all} choices={RUN_STATUSES.map((value) => ({ value, label: wordOf(value) }))} onChange={(status) => setFilters({ status })} />
        <TriggerFilter value={filters.trigger} onChange={(trigger) => setFilters({ trigger })} />
        {filtered ? <Button kind="quiet" onPress={() => setFilters({ status: '', trigger: '', event: '' })}>{t.common.clear}</Button> : null}
      </div>
      <Card pad={false}>
        <LongList
          label={t.runs.title} list={list} keyOf={({ id }) => id} to={({ id }) => `/runs/${id}`} widths="minmax(0, 2fr) 130px 110px 120px minmax(0, 1.4fr)"
          columns={[
            { head: t.common.trigger, cell: (run) => <b>{nameOf(run.triggerId)}{run.replay > 0 ? <span className="muted"> · {t.runs.replayed}</span> : null}</b> },
            { head: t.common.status, cell: (run) => <Status of={run.status} /> },
            { head: t.runs.took, cell: (run) => <span className="muted">{lasted(run.startedAt, run.endedAt)}</span> },
            { head: t.common.created, cell: (run) => <When at={run.createdAt} /> },
            { head: t.common.reason, cell: (run) => <span className="muted">{run.reason}</span> },
          ]}
          empty={filtered
            ? <Empty icon="runs" title={t.common.nothingMatches}>{t.common.nothingMatchesHint}</Empty>
            : <Empty icon="runs" title={t.runs.none} action={<ButtonLink to="/triggers/new" kind="primary" icon="plus">{t.triggers.create}</ButtonLink>}>{t.runs.noneHint}</Empty>}
        />
      </Card>
    </Page>
  );
}

export function RunPage() {
  const { run = '' } = useParams();
  const query = useApi('getRun', { run }, { live: 2_000 });
  return <Answer query={query}>{(data) => <RunDetail run={data} />}</Answer>;
}

function RunDetail({ run }: { run: OutputOf<'getRun'> }) {
  const [, navigate] = useLocation();
  const nameOf = useTriggerNames();
  const replay = useAction('replayRun', ({ id }) => navigate(`/runs/${id}`));
  const cancel = useAction('cancelRun');
  const now = useAction('runNow');
  const open = ['held', 'queued', 'running'].includes(run.status);
  const event = useApi('getEvent', { event: run.eventId }, { live: false });
  return (
    <Page
      title={<span className="row">{t.runs.one} <Status of={run.status} /></span>}
      crumbs={[{ label: t.nav.runs, to: '/runs' }, { label: run.id }]}
      actions={
        <>
          {open && run.nextAttemptAt ? <Button pending={now.isPending} onPress={() => now.mutate({ run: run.id })}>{t.runs.now}</Button> : null}
          {open ? <Button kind="danger" pending={cancel.isPending} onPress={() => cancel.mutate({ run: run.id })}>{t.runs.cancel}</Button> : null}
          <Button kind="primary" pending={replay.isPending} onPress={() => replay.mutate({ run: run.id })}>{t.runs.replay}</Button>
        </>
      }
    >
      <Problem error={replay.error ?? cancel.error ?? now.error} />
      {run.reason ? <Note tone={toneOf(run.status)}>{run.reason}</Note> : null}
      <div className="split">
        <div className="stack">
          <Card title={t.runs.attempts}>
            {run.attemptList.length === 0 ? <p className="muted">{t.runs.noAttempt}</p> : null}
            {run.attemptList.map((attempt) => <Attempt key={attempt.number} attempt={attempt} />)}
          </Card>
          {event.data ? <Card title={t.events.payload}><Code value={event.data.payload} label={t.events.payload} /></Card> : null}
        </div>
        <div className="stack">
          <Card title={t.common.facts}>
            <Facts of={[
              [t.common.trigger, <Link key="t" href={`/triggers/${run.triggerId}`}>{nameOf(run.triggerId)}</Link>],
              [t.common.event, <Link key="e" href={`/events/${run.eventId}`}>{event.data?.type ?? run.eventId}</Link>],
              [t.common.runnable, run.runnableId ? <Link key="r" href={`/runnables/${run.runnableId}`}>{t.runs.openRunnable}</Link> : null],
              [t.runs.took, lasted(run.startedAt, run.endedAt) || null],
              [t.runs.next, run.nextAttemptAt ? <When key="n" at={run.nextAttemptAt} /> : null],
              [t.common.id, <code key="i">{run.id}</code>],
              [t.common.correlation, <code key="c">{run.correlationId}</code>],
            ]} />
          </Card>
          <Card title={t.common.timeline}><Timeline run={run} receivedAt={event.data?.receivedAt} /></Card>
        </div>
      </div>
    </Page>
  );
}

function Timeline({ run, receivedAt }: { run: OutputOf<'getRun'>; receivedAt: string | undefined }) {
  const attempts = run.attemptList.map((attempt) => ({ at: attempt.startedAt, text: t.runs.attemptLine(attempt.number, wordOf(attempt.outcome)), tone: toneOf(attempt.outcome) }));
  const points = [
    ...(receivedAt ? [{ at: receivedAt, text: t.runs.received, tone: 'ok' }] : []),
    { at: run.createdAt, text: t.runs.created, tone: 'ok' },
    ...attempts,
    ...(run.endedAt ? [{ at: run.endedAt, text: t.runs.ended(wordOf(run.status)), tone: toneOf(run.status) }] : []),
  ];
  return (
    <ol className="timeline">
      {points.map(({ at, text, tone }) => <li key={text} className={`t-${tone}`}><b>{text}</b><br /><span className="small muted"><Exact at={at} /></span></li>)}
    </ol>
  );
}

function Attempt({ attempt }: { attempt: AttemptView }) {
  return (
    <div className="stack-s">
      <div className="row between">
        <h3>{t.runs.attempt(attempt.number)}</h3>
        <span className="row small"><span className="muted">{lasted(attempt.startedAt, attempt.endedAt)}</span><Status of={attempt.outcome} /></span>
      </div>
      {attempt.message ? <Note tone="bad">{attempt.code ? <code>{attempt.code}</code> : null}<span>{attempt.message}</span>{attempt.fault ? <span className="small">{t.runs.fault[attempt.fault]}</span> : null}</Note> : null}
      {attempt.result === null ? null : <div className="stack-s"><span className="label">{t.runs.result}</span><Code value={attempt.result} label={t.runs.result} /></div>}
      {attempt.logs ? <div className="stack-s"><span className="label">{t.runs.logs}</span><Code value={attempt.logs} label={t.runs.logs} wrap /></div> : <span className="small muted">{t.runs.noLogs}</span>}
    </div>
  );
}

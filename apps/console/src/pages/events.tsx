import { Link, useParams } from 'wouter';
import type { OutputOf } from '../api/client.js';
import { useApi, useList } from '../api/hooks.js';
import { useServices, useTriggerNames } from '../api/lookups.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { LongList } from '../ui/list.js';
import { Answer, Button, ButtonLink, Card, Code, Empty, Facts, Page, ServiceIcon, Status } from '../ui/parts.js';
import { given, useFilters } from '../ui/search.js';
import { Exact, When } from '../ui/time.js';
import { TriggerFilter } from './trigger-filter.js';

export function EventsPage() {
  const [filters, setFilters] = useFilters(['trigger', 'type']);
  const list = useList('listEvents', { limit: 100, trigger: given(filters.trigger), type: given(filters.type) });
  const services = useServices();
  const filtered = Object.values(filters).some(Boolean);
  return (
    <Page title={t.events.title} lead={t.events.lead}>
      <div className="filters">
        <TextInput label={t.events.type} placeholder={t.events.typeExample} value={filters.type} onChange={(type) => setFilters({ type })} />
        <TriggerFilter value={filters.trigger} onChange={(trigger) => setFilters({ trigger })} />
        {filtered ? <Button kind="quiet" onPress={() => setFilters({ trigger: '', type: '' })}>{t.common.clear}</Button> : null}
      </div>
      <Card pad={false}>
        <LongList
          label={t.events.title} list={list} keyOf={({ id }) => id} to={({ id }) => `/events/${id}`} widths="minmax(0, 1.4fr) 130px minmax(0, 1fr) minmax(0, 1.4fr)"
          columns={[
            { head: t.events.type, cell: (event) => <span className="row"><ServiceIcon small service={services.of(event.service)} /><b>{event.type}</b></span> },
            { head: t.common.received, cell: (event) => <When at={event.receivedAt} /> },
            { head: t.common.service, cell: (event) => services.of(event.service)?.label ?? event.service },
            { head: t.events.key, cell: (event) => <code className="muted">{event.dedupeKey}</code> },
          ]}
          empty={filtered
            ? <Empty icon="events" title={t.common.nothingMatches}>{t.common.nothingMatchesHint}</Empty>
            : <Empty icon="events" title={t.events.none} action={<ButtonLink to="/triggers" kind="primary">{t.events.openTriggers}</ButtonLink>}>{t.events.noneHint}</Empty>}
        />
      </Card>
    </Page>
  );
}

export function EventPage() {
  const { event = '' } = useParams();
  const query = useApi('getEvent', { event });
  return <Answer query={query}>{(data) => <EventDetail event={data} />}</Answer>;
}

function EventDetail({ event }: { event: OutputOf<'getEvent'> }) {
  const services = useServices();
  const nameOf = useTriggerNames();
  return (
    <Page title={event.type} crumbs={[{ label: t.nav.events, to: '/events' }, { label: event.id }]}>
      <div className="split">
        <Card title={t.events.payload}><Code value={event.payload} label={t.events.payload} /></Card>
        <div className="stack">
          <Card title={t.common.facts}>
            <Facts of={[
              [t.common.service, services.of(event.service)?.label ?? event.service],
              [t.common.received, <Exact key="r" at={event.receivedAt} />],
              [t.events.occurred, event.occurredAt ? <Exact key="o" at={event.occurredAt} /> : null],
              [t.common.delivery, event.deliveryId ? <Link key="d" href={`/deliveries/${event.deliveryId}`}>{t.events.openDelivery}</Link> : t.events.pulled],
              [t.events.key, <code key="k">{event.dedupeKey}</code>],
              [t.common.id, <code key="i">{event.id}</code>],
            ]} />
          </Card>
          <Card title={t.events.runs} pad={event.runs.length === 0}>
            {event.runs.length === 0 ? <p className="muted">{t.events.noRuns}</p> : (
              <table className="table" aria-label={t.events.runs}>
                <tbody>{event.runs.map((run) => <tr key={run.id}><td><Link href={`/runs/${run.id}`}>{nameOf(run.triggerId)}</Link></td><td data-label={t.common.status}><Status of={run.status} /></td></tr>)}</tbody>
              </table>
            )}
          </Card>
        </div>
      </div>
    </Page>
  );
}

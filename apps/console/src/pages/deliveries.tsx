import { DELIVERY_STATUSES } from 'virtual:contracts';
import { Link, useParams } from 'wouter';
import type { DeliveryStatus } from '@vane/contracts';
import type { OutputOf } from '../api/client.js';
import { useApi, useList } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { t } from '../messages.js';
import { SelectInput } from '../ui/fields.js';
import { LongList } from '../ui/list.js';
import { Answer, Button, ButtonLink, Card, Code, Empty, Facts, Note, Page, ServiceIcon, Status } from '../ui/parts.js';
import { given, useFilters } from '../ui/search.js';
import { toneOf, wordOf } from '../ui/status.js';
import { Exact, When } from '../ui/time.js';
import { TriggerFilter } from './trigger-filter.js';

export function DeliveriesPage() {
  const [filters, setFilters] = useFilters(['status', 'trigger']);
  const list = useList('listDeliveries', { limit: 100, status: given<DeliveryStatus>(filters.status), trigger: given(filters.trigger) });
  const services = useServices();
  const filtered = Object.values(filters).some(Boolean);
  return (
    <Page title={t.deliveries.title} lead={t.deliveries.lead}>
      <div className="filters">
        <SelectInput label={t.common.status} value={filters.status} empty={t.common.all} choices={DELIVERY_STATUSES.map((value) => ({ value, label: wordOf(value) }))} onChange={(status) => setFilters({ status })} />
        <TriggerFilter value={filters.trigger} onChange={(trigger) => setFilters({ trigger })} />
        {filtered ? <Button kind="quiet" onPress={() => setFilters({ status: '', trigger: '' })}>{t.common.clear}</Button> : null}
      </div>
      <Card pad={false}>
        <LongList
          label={t.deliveries.title} list={list} keyOf={({ id }) => id} to={({ id }) => `/deliveries/${id}`} widths="minmax(0, 1.2fr) 140px 130px 100px minmax(0, 1.6fr)"
          columns={[
            { head: t.common.service, cell: (one) => <span className="row"><ServiceIcon small service={services.of(one.service)} /><b>{services.of(one.service)?.label ?? one.service}</b></span> },
            { head: t.common.status, cell: (one) => <Status of={one.status} /> },
            { head: t.common.received, cell: (one) => <When at={one.receivedAt} /> },
            { head: t.deliveries.size, cell: (one) => t.common.bytes(one.size) },
            { head: t.common.reason, cell: (one) => <span className="muted">{one.reason}</span> },
          ]}
          empty={filtered
            ? <Empty icon="deliveries" title={t.common.nothingMatches}>{t.common.nothingMatchesHint}</Empty>
            : <Empty icon="deliveries" title={t.deliveries.none} action={<ButtonLink to="/triggers" kind="primary">{t.events.openTriggers}</ButtonLink>}>{t.deliveries.noneHint}</Empty>}
        />
      </Card>
    </Page>
  );
}

export function DeliveryPage() {
  const { delivery = '' } = useParams();
  const query = useApi('getDelivery', { delivery });
  return <Answer query={query}>{(data) => <DeliveryDetail delivery={data} />}</Answer>;
}

const pretty = (body: string): unknown => {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
};

function DeliveryDetail({ delivery }: { delivery: OutputOf<'getDelivery'> }) {
  const services = useServices();
  return (
    <Page title={<span className="row">{t.deliveries.one} <Status of={delivery.status} /></span>} crumbs={[{ label: t.nav.deliveries, to: '/deliveries' }, { label: delivery.id }]}>
      <Note tone={toneOf(delivery.status)}><b>{t.deliveries.verdict[delivery.status]}</b>{delivery.reason ? <span>{delivery.reason}</span> : null}</Note>
      <div className="split">
        <div className="stack">
          <Card title={t.deliveries.body}>{delivery.body === null ? <p className="muted">{t.deliveries.noBody}</p> : <Code value={pretty(delivery.body)} label={t.deliveries.body} />}</Card>
          <Card title={t.deliveries.headers}><Facts of={Object.entries(delivery.headers).map(([name, value]) => [name, <code key={name}>{value}</code>])} /></Card>
        </div>
        <div className="stack">
          <Card title={t.common.facts}>
            <Facts of={[
              [t.common.service, services.of(delivery.service)?.label ?? delivery.service],
              [t.common.received, <Exact key="r" at={delivery.receivedAt} />],
              [t.deliveries.method, delivery.method],
              [t.deliveries.size, t.common.bytes(delivery.size)],
              ['SHA-256', <code key="s">{delivery.sha256}</code>],
              [t.common.id, <code key="i">{delivery.id}</code>],
            ]} />
          </Card>
          <Card title={t.deliveries.events}>
            {delivery.events.length === 0 ? <p className="muted">{t.deliveries.noEvents}</p> : <ul className="stack-s">{delivery.events.map((event) => <li key={event.id}><Link href={`/events/${event.id}`}>{event.type}</Link></li>)}</ul>}
          </Card>
        </div>
      </div>
    </Page>
  );
}

import { TRIGGER_STATUSES } from 'virtual:contracts';
import { Link } from 'wouter';
import type { TriggerView } from '@vane/contracts';
import { useApi, useList } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { SelectInput, TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, ButtonLink, Card, Empty, Page, ServiceIcon, Status } from '../ui/parts.js';
import { given, useFilters } from '../ui/search.js';
import { wordOf } from '../ui/status.js';
import { When } from '../ui/time.js';

export function TriggersPage() {
  const [filters, setFilters] = useFilters(['service', 'status', 'q']);
  const services = useServices();
  const list = useList('listTriggers', { limit: 200, service: given(filters.service), status: given<TriggerView['status']>(filters.status) });
  const wanted = filters.q.trim().toLowerCase();
  const items = list.items.filter(({ name, summary }) => `${name} ${summary}`.toLowerCase().includes(wanted));
  const filtered = Object.values(filters).some(Boolean);
  const create = useMay('editor') ? <ButtonLink to="/triggers/new" kind="primary" icon="plus">{t.triggers.create}</ButtonLink> : null;
  return (
    <Page title={t.triggers.title} lead={t.triggers.lead} actions={create}>
      <div className="filters">
        <div className="grow"><TextInput label={t.triggers.search} type="search" value={filters.q} onChange={(q) => setFilters({ q })} /></div>
        <SelectInput label={t.common.service} value={filters.service} empty={t.common.all} choices={(services.data ?? []).map(({ id, label }) => ({ value: id, label }))} onChange={(service) => setFilters({ service })} />
        <SelectInput label={t.common.status} value={filters.status} empty={t.common.all} choices={TRIGGER_STATUSES.map((value) => ({ value, label: wordOf(value) }))} onChange={(status) => setFilters({ status })} />
        {filtered ? <Button kind="quiet" onPress={() => setFilters({ service: '', status: '', q: '' })}>{t.common.clear}</Button> : null}
      </div>
      <Card pad={false}>
        <Table
          label={t.triggers.title} list={{ ...list, items }} keyOf={({ id }) => id}
          columns={[
            { head: t.common.name, cell: (one) => <span className="row"><ServiceIcon small service={services.of(one.service)} /><Link href={`/triggers/${one.id}`}>{one.name}</Link></span> },
            { head: t.triggers.config, cell: (one) => <span className="muted">{one.summary}</span> },
            { head: t.common.status, cell: (one) => <Status of={one.status} /> },
            { head: t.triggers.health, cell: (one) => <Status of={one.health.state} /> },
            { head: t.triggers.lastEvent, cell: (one) => <LastEvent trigger={one.id} /> },
          ]}
          empty={filtered
            ? <Empty icon="triggers" title={t.common.nothingMatches}>{t.common.nothingMatchesHint}</Empty>
            : <Empty icon="triggers" title={t.triggers.none} action={<ButtonLink to="/start" kind="primary" icon="start">{t.overview.startAction}</ButtonLink>}>{t.triggers.noneHint}</Empty>}
        />
      </Card>
    </Page>
  );
}

function LastEvent({ trigger }: { trigger: string }) {
  const { data } = useApi('listEvents', { trigger, limit: 1 }, { live: 15_000 });
  return <span className="muted when"><When at={data?.items[0]?.receivedAt} /></span>;
}

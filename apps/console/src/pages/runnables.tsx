import { Link } from 'wouter';
import { useApi, useList } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { Table } from '../ui/list.js';
import { ButtonLink, Card, Empty, Page, ServiceIcon } from '../ui/parts.js';
import { When } from '../ui/time.js';

export function RunnablesPage() {
  const list = useList('listRunnables', { limit: 100 });
  const create = useMay('editor') ? <ButtonLink to="/runnables/new" kind="primary" icon="plus">{t.runnables.create}</ButtonLink> : null;
  return (
    <Page title={t.runnables.title} lead={t.runnables.lead} actions={create}>
      <Card pad={false}>
        <Table
          label={t.runnables.title} list={list} keyOf={({ id }) => id}
          columns={[
            { head: t.common.name, cell: (one) => <Link href={`/runnables/${one.id}`}>{one.name}</Link> },
            { head: t.runnables.kind, cell: (one) => t.runnables.kinds[one.kind] },
            { head: t.nav.triggers, cell: (one) => <Badges runnable={one.id} /> },
            { head: t.common.updated, cell: (one) => <span className="muted when"><When at={one.updatedAt} /></span> },
          ]}
          empty={<Empty icon="runnables" title={t.runnables.none} action={create}>{t.runnables.noneHint}</Empty>}
        />
      </Card>
    </Page>
  );
}

/** Icon and count of the triggers of each service that start a runnable. */
function Badges({ runnable }: { runnable: string }) {
  const services = useServices();
  const { data } = useApi('listTriggers', { limit: 200 });
  const mine = (data?.items ?? []).filter(({ runnableId }) => runnableId === runnable);
  const counts = countBy(mine);
  if (counts.size === 0) return <span className="muted">–</span>;
  return <span className="row">{[...counts].map(([id, count]) => <span key={id} className="row small" title={services.of(id)?.label}><ServiceIcon small service={services.of(id)} />{count}</span>)}</span>;
}

function countBy(triggers: { service: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { service } of triggers) counts.set(service, (counts.get(service) ?? 0) + 1);
  return counts;
}

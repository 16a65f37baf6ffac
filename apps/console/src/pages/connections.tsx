import { Link } from 'wouter';
import { useList } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { Table } from '../ui/list.js';
import { ButtonLink, Card, Empty, Page, ServiceIcon, Status } from '../ui/parts.js';
import { useFilters } from '../ui/search.js';
import { When } from '../ui/time.js';
import { ConnectDialog } from './connect.js';

export function ConnectionsPage() {
  const [{ connect }, setFilters] = useFilters(['connect']);
  const mayEdit = useMay('editor');
  const list = useList('listConnections', { limit: 100 }, { enabled: mayEdit });
  const services = useServices();
  if (!mayEdit) return <Page title={t.connections.title}><Card><p className="muted">{t.common.forEditors}</p></Card></Page>;
  return (
    <Page title={t.connections.title} lead={t.connections.lead} actions={<ButtonLink to="/integrations">{t.nav.integrations}</ButtonLink>}>
      <Card pad={false}>
        <Table
          label={t.connections.title} list={list} keyOf={({ id }) => id}
          columns={[
            { head: t.connections.who, cell: (one) => <span className="row"><ServiceIcon small service={services.of(one.service)} /><Link href={`/connections/${one.id}`}>{one.name ?? one.accountLabel}</Link>{one.private ? <span className="tag">{t.connections.private}</span> : null}</span> },
            { head: t.common.service, cell: (one) => services.of(one.service)?.label ?? one.service },
            { head: t.common.status, cell: (one) => <Status of={one.status} /> },
            { head: t.connections.expires, cell: (one) => <span className="muted when">{one.expiresAt ? <When at={one.expiresAt} /> : t.connections.expiresNever}</span> },
          ]}
          empty={<Empty icon="connections" title={t.connections.none} action={<ButtonLink to="/integrations" kind="primary">{t.nav.integrations}</ButtonLink>}>{t.connections.noneHint}</Empty>}
        />
      </Card>
      {connect ? <ConnectDialog service={connect} onClose={() => setFilters({ connect: '' })} /> : null}
    </Page>
  );
}

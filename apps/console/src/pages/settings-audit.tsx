import { useDeferredValue } from 'react';
import { useList, useWorkspaceId } from '../api/hooks.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Card, Empty, Status } from '../ui/parts.js';
import { useFilters } from '../ui/search.js';
import { When } from '../ui/time.js';

const words = t.settings.audit;

export function AuditTab() {
  const [{ q }, setFilters] = useFilters(['q']);
  const wanted = useDeferredValue(q.trim());
  const list = useList('listAudit', { limit: 50, ...(wanted ? { q: wanted } : {}) }, { live: 15_000 });
  const workspace = useWorkspaceId();
  return (
    <>
      <p className="muted">{words.lead}</p>
      <div className="filters">
        <div className="grow"><TextInput label={words.search} hint={words.searchHint} type="search" value={q} onChange={(value) => setFilters({ q: value })} /></div>
        <a className="button" href={`/api/v1/workspaces/${workspace}/audit/export`} download>{words.export}</a>
      </div>
      <Card pad={false}>
        <Table label={t.settings.tabs.audit} list={list} keyOf={({ id }) => id} empty={<Empty icon="settings" title={wanted ? t.common.nothingMatches : words.none}>{wanted ? t.common.nothingMatchesHint : words.noneHint}</Empty>} columns={[
          { head: words.what, cell: (one) => <code>{one.operation}</code> },
          { head: words.who, cell: (one) => one.actorLabel },
          { head: words.target, cell: (one) => <code className="muted">{one.targetId}</code> },
          { head: words.outcome, cell: (one) => <Status of={one.outcome} /> },
          { head: words.when, cell: (one) => <span className="when muted"><When at={one.at} /></span> },
        ]} />
      </Card>
    </>
  );
}

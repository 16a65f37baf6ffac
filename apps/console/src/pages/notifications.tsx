import { useAction, useList } from '../api/hooks.js';
import { t } from '../messages.js';
import { CheckInput } from '../ui/fields.js';
import { Button, Card, Empty, Loading, Page, Problem, Status } from '../ui/parts.js';
import { useFilters } from '../ui/search.js';
import { When } from '../ui/time.js';

export function NotificationsPage() {
  const [filters, setFilters] = useFilters(['unread']);
  const list = useList('listNotifications', { limit: 50, ...(filters.unread ? { unread: 'true' } : {}) });
  const read = useAction('markNotificationRead');
  const readAll = useAction('markAllNotificationsRead');
  return (
    <Page narrow title={t.notifications.title} lead={t.notifications.lead} actions={<Button pending={readAll.isPending} onPress={() => readAll.mutate({})}>{t.notifications.readAll}</Button>}>
      <CheckInput label={t.notifications.unreadOnly} value={filters.unread !== ''} onChange={(unread) => setFilters({ unread: unread ? '1' : '' })} />
      <Problem error={list.error ?? read.error} />
      {list.isPending ? <Loading /> : null}
      {list.data && list.items.length === 0 ? <div className="card"><Empty icon="notifications" title={t.notifications.none}>{t.notifications.noneHint}</Empty></div> : null}
      {list.items.map((one) => (
        <Card key={one.id} title={one.title} actions={<><Status of={one.severity} /><span className="small muted"><When at={one.createdAt} /></span></>}>
          <p>{one.text}</p>
          <div className="actions">
            {one.link ? <a className="button button-s" href={one.link}>{t.notifications.open}</a> : null}
            {one.readAt ? null : <Button small onPress={() => read.mutate({ notification: one.id })}>{t.notifications.read}</Button>}
          </div>
        </Card>
      ))}
      {list.hasNextPage ? <Button pending={list.isFetchingNextPage} onPress={() => void list.fetchNextPage()}>{t.common.more}</Button> : null}
    </Page>
  );
}

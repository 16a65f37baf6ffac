import { Link } from 'wouter';
import type { OutputOf } from '../api/client.js';
import { now } from '../clock.js';
import { useApi } from '../api/hooks.js';
import { useServices, useTriggerNames } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { ButtonLink, Card, Empty, Loading, Page, Problem, ServiceIcon, Status } from '../ui/parts.js';
import { When } from '../ui/time.js';

type Trouble = { key: string; title: string; text: string; to: string; state: string };

export function OverviewPage() {
  const triggers = useApi('listTriggers', { limit: 200 });
  const items = triggers.data?.items;
  if (!items) return triggers.error ? <Problem error={triggers.error} /> : <Loading />;
  return (
    <Page title={t.overview.title} lead={t.overview.lead}>
      {items.length === 0 ? (
        <div className="card"><Empty icon="triggers" title={t.overview.start} action={<ButtonLink to="/start" kind="primary" icon="start">{t.overview.startAction}</ButtonLink>}>{t.overview.startHint}</Empty></div>
      ) : null}
      <Tiles on={items.filter(({ status }) => status === 'enabled').length} />
      <div className="split">
        <div className="stack"><Attention /><LatestRuns /></div>
        <div className="stack"><Unread /><Expiries /><PerService /></div>
      </div>
    </Page>
  );
}

/** Numbers of the last 24 hours, each leading to what it counts. */
function Tiles({ on }: { on: number }) {
  const { data } = useApi('summariseActivity', {}, { live: 60_000 });
  const tiles: [label: string, value: number | undefined, to: string, tone: string][] = [
    [t.overview.on, on, '/triggers', ''],
    [t.overview.events, data?.deliveries, '/deliveries', ''],
    [t.overview.refused, data?.refused, '/deliveries?status=refused', data?.refused ? ' tile-warn' : ''],
    [t.overview.runs, data?.runs, '/runs', ''],
    [t.overview.failed, data?.failed, '/runs?status=dead', data?.failed ? ' tile-bad' : ''],
    [t.overview.waiting, data?.waiting, '/runs?status=queued', ''],
  ];
  return (
    <>
      <div className="tiles">{tiles.map(([label, value, to, tone]) => <Link key={label} href={to} className={`card tile${tone}`}><span className="small muted">{label}</span><b>{value ?? '–'}</b></Link>)}</div>
      {data && data.runs > 0 ? <Chart summary={data} /> : null}
    </>
  );
}

const HOUR_MS = 3_600_000;

/** Runs hour by hour; the part that failed stands at the bottom. */
function Chart({ summary }: { summary: OutputOf<'summariseActivity'> }) {
  const first = Math.floor(now() / HOUR_MS) * HOUR_MS - 23 * HOUR_MS;
  const byHour = new Map(summary.hours.map((hour) => [Date.parse(hour.at), hour]));
  const hours = Array.from({ length: 24 }, (_, index) => byHour.get(first + index * HOUR_MS) ?? { runs: 0, failed: 0 });
  const most = Math.max(...hours.map(({ runs }) => runs), 1);
  const height = (count: number): number => (count / most) * 70;
  return (
    <Card title={t.overview.chart} actions={summary.oldestWaitingAt ? <span className="small muted">{t.overview.lag}: <When at={summary.oldestWaitingAt} /></span> : null}>
      <svg className="chart" viewBox="0 0 480 74" preserveAspectRatio="none" role="img" aria-label={t.overview.chartLabel(summary.runs, summary.failed)}>
        <line x1="0" x2="480" y1="73" y2="73" className="chart-base" />
        {hours.map(({ runs, failed }, index) => (
          <g key={index}>
            <rect x={index * 20 + 3} width="14" y={73 - height(runs)} height={height(runs - failed)} rx="2" className="chart-ok" />
            <rect x={index * 20 + 3} width="14" y={73 - height(failed)} height={height(failed)} rx="2" className="chart-bad" />
          </g>
        ))}
      </svg>
    </Card>
  );
}

/** What does not work, with where to mend it. Editors see connections, too. */
function Attention() {
  const triggers = useApi('listTriggers', { limit: 200 });
  const connections = useApi('listConnections', { limit: 200 }, { enabled: useMay('editor') });
  const found: Trouble[] = [
    ...(connections.data?.items ?? []).filter(({ status }) => status === 'auth_required')
      .map((one) => ({ key: one.id, title: one.name ?? one.accountLabel, text: one.reason ?? '', to: `/connections/${one.id}`, state: one.status })),
    ...(triggers.data?.items ?? []).filter(({ health, status }) => status === 'enabled' && (health.state === 'failing' || health.state === 'degraded'))
      .map((one) => ({ key: one.id, title: one.name, text: one.health.hint ?? one.health.reason?.message ?? '', to: `/triggers/${one.id}`, state: one.health.state })),
    ...(triggers.data?.items ?? []).filter(({ status }) => status === 'disabled')
      .map((one) => ({ key: `${one.id}-off`, title: one.name, text: one.statusReason?.message ?? '', to: `/triggers/${one.id}`, state: one.status })),
  ];
  return (
    <Card title={t.overview.attention}>
      {found.length === 0 ? <p className="muted">{t.overview.allWell}</p> : (
        <ul className="stack-s">
          {found.map((one) => (
            <li key={one.key} className="stack-s">
              <span className="row"><Status of={one.state} /><Link href={one.to}>{one.title}</Link></span>
              {one.text ? <span className="small muted">{one.text}</span> : null}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function LatestRuns() {
  const runs = useApi('listRuns', { limit: 8 });
  const nameOf = useTriggerNames();
  const items = runs.data?.items ?? [];
  return (
    <Card title={t.overview.latest} pad={false} actions={<Link href="/runs" className="small">{t.triggers.allRuns}</Link>}>
      {items.length === 0 ? <div className="card-pad"><p className="muted">{t.runs.noneHint}</p></div> : (
        <table className="table" aria-label={t.overview.latest}>
          <tbody>{items.map((run) => (
            <tr key={run.id}><td><Link href={`/runs/${run.id}`}>{nameOf(run.triggerId)}</Link></td><td data-label={t.common.status}><Status of={run.status} /></td><td data-label={t.common.created} className="when muted"><When at={run.createdAt} /></td></tr>
          ))}</tbody>
        </table>
      )}
    </Card>
  );
}

function Unread() {
  const unread = useApi('listNotifications', { limit: 5, unread: 'true' });
  const items = unread.data?.items ?? [];
  return (
    <Card title={t.overview.unread} actions={<Link href="/notifications" className="small">{t.common.all}</Link>}>
      {items.length === 0 ? <p className="muted">{t.notifications.none}</p> : <ul className="stack-s">{items.map((one) => <li key={one.id} className="stack-s"><span className="row"><Status of={one.severity} /><b>{one.title}</b></span><span className="small muted"><When at={one.createdAt} /></span></li>)}</ul>}
    </Card>
  );
}

function Expiries() {
  const triggers = useApi('listTriggers', { limit: 200 });
  const soonest = (triggers.data?.items ?? []).filter(({ subscription }) => subscription?.expiresAt)
    .sort((one, other) => one.subscription!.expiresAt!.localeCompare(other.subscription!.expiresAt!)).slice(0, 5);
  return (
    <Card title={t.overview.expiries}>
      {soonest.length === 0 ? <p className="muted">{t.overview.noExpiries}</p> : (
        <>
          <ul className="stack-s">{soonest.map((one) => <li key={one.id} className="row between"><Link href={`/triggers/${one.id}`}>{one.name}</Link><span className="small muted"><When at={one.subscription!.expiresAt} /></span></li>)}</ul>
          <p className="small muted">{t.overview.expiriesHint}</p>
        </>
      )}
    </Card>
  );
}

function PerService() {
  const services = useServices();
  const triggers = useApi('listTriggers', { limit: 200 });
  const items = triggers.data?.items ?? [];
  const used = (services.data ?? []).map((service) => ({ service, of: items.filter((one) => one.service === service.id) })).filter(({ of }) => of.length > 0);
  return (
    <Card title={t.overview.perService}>
      {used.length === 0 ? <p className="muted">{t.overview.perServiceNone}</p> : (
        <ul className="stack-s">
          {used.map(({ service, of }) => {
            const bad = of.filter(({ health }) => health.state === 'failing' || health.state === 'degraded').length;
            return (
              <li key={service.id} className="row between">
                <span className="row"><ServiceIcon small service={service} /><Link href={`/triggers?service=${service.id}`}>{service.label}</Link></span>
                <span className="small muted">{t.overview.triggerCount(of.length)}{bad > 0 ? `, ${t.overview.trouble(bad)}` : ''}</span>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
}

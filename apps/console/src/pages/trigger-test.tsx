import { Link } from 'wouter';
import type { TriggerView } from '@vane/contracts';
import { useApi } from '../api/hooks.js';
import { t } from '../messages.js';
import { Card, Code, Status } from '../ui/parts.js';
import { When } from '../ui/time.js';

/** What reaches the trigger, as it comes in, and how to make something come. */
export function TestCard({ trigger }: { trigger: TriggerView }) {
  const deliveries = useApi('listDeliveries', { trigger: trigger.id, limit: 5 }, { live: 2_000 });
  const items = deliveries.data?.items ?? [];
  return (
    <Card title={t.triggers.test} actions={<Link className="small" href={`/deliveries?trigger=${trigger.id}`}>{t.common.all}</Link>}>
      <p className="small muted">{t.triggers.testHint}</p>
      {trigger.connectionId === null ? (
        <>
          <Code value={curlOf(trigger.callbackUrl)} label={t.triggers.testCurl} wrap />
          {trigger.subscription?.verified ? <p className="small muted">{t.triggers.testSigned}</p> : null}
        </>
      ) : null}
      <h3>{t.triggers.lastDelivery}</h3>
      {items.length === 0 ? <p className="small muted">{t.triggers.noDeliveries}</p> : (
        <ul className="stack-s">
          {items.map((one) => <li key={one.id} className="row between"><Link href={`/deliveries/${one.id}`}><When at={one.receivedAt} /></Link><Status of={one.status} /></li>)}
        </ul>
      )}
    </Card>
  );
}

const curlOf = (url: string): string => `curl -X POST '${url}' -H 'content-type: application/json' -d '{"hello": "Vane"}'`;

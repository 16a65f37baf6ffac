import { useState, type ReactNode } from 'react';
import { useApi } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { t } from '../messages.js';
import { Button, ButtonLink, Card, Loading, Page, ServiceIcon } from '../ui/parts.js';
import { useFilters } from '../ui/search.js';
import { ConnectDialog } from './connect.js';

type Step = { done: boolean; title: string; hint: ReactNode; action: ReactNode };

/** The guided path: each step looks at what is there, so it knows by itself what is done. */
export function StartPage() {
  const [{ service: id }, setFilters] = useFilters(['service']);
  const services = useServices();
  const [connecting, setConnecting] = useState(false);
  const integrations = useApi('listIntegrations', { limit: 200 });
  const connections = useApi('listConnections', { limit: 200 });
  const triggers = useApi('listTriggers', { limit: 200 });
  const service = services.of(id);
  const trigger = triggers.data?.items.find((one) => one.service === id);
  const runs = useApi('listRuns', { trigger: trigger?.id ?? '', limit: 1 }, { enabled: trigger !== undefined, live: 2_000 });
  if (!services.data) return <Loading />;
  const run = trigger ? runs.data?.items[0] : undefined;
  const integration = integrations.data?.items.find((one) => one.service === id);
  const connection = connections.data?.items.find((one) => one.service === id && one.status === 'active');
  const oauth = service?.usesOAuth === true;
  const steps: Step[] = [
    {
      done: service !== undefined, title: t.start.choose, hint: service ? t.start.chosen(service.label) : t.start.chooseHint,
      action: service ? <Button small kind="quiet" onPress={() => setFilters({ service: '' })}>{t.start.other}</Button> : (
        <div className="choices">{services.data.map((one) => <button key={one.id} type="button" className="choice" onClick={() => setFilters({ service: one.id })}><ServiceIcon service={one} /><span><b>{one.label}</b><span className="small muted">{one.usesOAuth ? t.services.oauth : t.services.noOauth}</span></span></button>)}</div>
      ),
    },
    {
      done: service !== undefined && (!oauth || integration !== undefined), title: t.start.integration, hint: service && !oauth ? t.start.integrationNone : integration ? t.start.integrationDone(integration.name) : t.start.integrationHint,
      action: oauth && !integration ? <ButtonLink kind="primary" to={`/integrations/new/${id}`}>{t.start.integrationAction}</ButtonLink> : null,
    },
    {
      done: service !== undefined && (!oauth || connection !== undefined), title: t.start.connect, hint: service && !oauth ? t.start.connectNone : connection ? t.start.connectDone(connection.name ?? connection.accountLabel) : t.start.connectHint,
      action: oauth && integration && !connection ? <Button kind="primary" onPress={() => setConnecting(true)}>{t.integrations.connect}</Button> : null,
    },
    {
      done: trigger !== undefined, title: t.start.trigger, hint: trigger ? t.start.triggerDone(trigger.name) : t.start.triggerHint,
      action: service && !trigger && (!oauth || connection) ? <ButtonLink kind="primary" to={`/triggers/new?service=${id}`}>{t.start.triggerAction}</ButtonLink> : null,
    },
    {
      done: run !== undefined, title: t.start.test, hint: run ? t.start.testDone : trigger ? t.start.waiting : t.start.testHint,
      action: trigger && !run ? <ButtonLink kind="primary" to={`/triggers/${trigger.id}`}>{t.start.testAction}</ButtonLink> : null,
    },
    { done: run?.endedAt != null, title: t.start.see, hint: t.start.seeHint, action: run ? <ButtonLink kind="primary" to={`/runs/${run.id}`}>{t.start.seeAction}</ButtonLink> : null },
  ];
  return (
    <Page narrow title={t.start.title} lead={t.start.lead}>
      <Card>
        <ol className="steps">
          {steps.map((step) => <li key={step.title} className={step.done ? 'done' : ''}><div className="stack-s"><b>{step.title}</b><span className="muted">{step.hint}</span>{step.action ? <div>{step.action}</div> : null}</div></li>)}
        </ol>
      </Card>
      {connecting ? <ConnectDialog service={id} onClose={() => setConnecting(false)} /> : null}
    </Page>
  );
}

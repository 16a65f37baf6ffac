import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import type { IntegrationView } from '@vane/contracts';
import { useAction, useApi } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Answer, Button, ButtonLink, Card, ConfirmButton, CopyLine, Facts, Page, Problem, ServiceIcon, Status } from '../ui/parts.js';
import { Exact } from '../ui/time.js';

export function IntegrationPage() {
  const { integration = '' } = useParams();
  const query = useApi('getIntegration', { integration });
  return <Answer query={query}>{(data) => <IntegrationDetail integration={data} />}</Answer>;
}

function IntegrationDetail({ integration }: { integration: IntegrationView }) {
  const [, navigate] = useLocation();
  const service = useServices().of(integration.service);
  const remove = useAction('deleteIntegration', () => navigate('/integrations'));
  const mayAdmin = useMay('admin');
  const connections = useApi('listConnections', { limit: 200 });
  const mine = (connections.data?.items ?? []).filter(({ integrationId }) => integrationId === integration.id);
  return (
    <Page
      title={<span className="row"><ServiceIcon service={service} />{integration.name}{integration.shared ? <span className="tag">{t.integrations.shared}</span> : null}</span>}
      crumbs={[{ label: t.nav.integrations, to: '/integrations' }, { label: integration.name }]}
      actions={
        <>
          {mayAdmin && !integration.shared ? <ConfirmButton label={t.common.delete} title={t.integrations.deleteTitle} confirm={t.common.delete} pending={remove.isPending} error={remove.error} onConfirm={() => remove.mutate({ integration: integration.id })}><p>{t.integrations.deleteText}</p></ConfirmButton> : null}
          <ButtonLink kind="primary" to={`/connections?connect=${integration.service}`}>{t.integrations.connect}</ButtonLink>
        </>
      }
    >
      <div className="split">
        <div className="stack">
          <Card title={t.integrations.steps}>
            <div className="stack-s"><span className="label">{t.integrations.redirect}</span><CopyLine label={t.integrations.redirect} text={integration.redirectUri} /><span className="hint">{t.integrations.redirectHint}</span></div>
            <ol className="steps">{integration.setupSteps.map((step) => <li key={step}>{step}</li>)}</ol>
          </Card>
          <Card title={t.integrations.connections}>
            {mine.length === 0 ? <p className="muted">{t.common.none}</p> : <ul className="stack-s">{mine.map((one) => <li key={one.id} className="row between"><Link href={`/connections/${one.id}`}>{one.name ?? one.accountLabel}</Link><Status of={one.status} /></li>)}</ul>}
          </Card>
        </div>
        <div className="stack">
          <Card title={t.common.facts}>
            <Facts of={[
              [t.common.service, service?.label ?? integration.service],
              [t.integrations.client, <code key="c">{integration.clientId}</code>],
              [t.integrations.secretState, <Status key="s" of={integration.secretState} />],
              ...Object.entries(integration.hosts).map(([name, url]): [string, string] => [t.integrations.host(name), url]),
              [t.common.created, <Exact key="a" at={integration.createdAt} />],
            ]} />
          </Card>
          {mayAdmin && !integration.shared ? <ChangeCard key={integration.version} integration={integration} /> : null}
        </div>
      </div>
    </Page>
  );
}

function ChangeCard({ integration }: { integration: IntegrationView }) {
  const [name, setName] = useState(integration.name);
  const [secret, setSecret] = useState('');
  const update = useAction('updateIntegration');
  const save = (): void => update.mutate({ integration: integration.id, ifMatch: integration.version, name, ...(secret ? { clientSecret: secret } : {}) });
  return (
    <Card title={t.common.edit}>
      <TextInput label={t.integrations.name} value={name} onChange={setName} />
      <TextInput label={t.integrations.newSecret} hint={t.integrations.newSecretHint} type="password" optional value={secret} onChange={setSecret} />
      <Problem error={update.error} />
      <div className="actions"><Button pending={update.isPending} onPress={save}>{t.common.save}</Button></div>
    </Card>
  );
}

import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import { useAction, useApi, useList } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, ButtonLink, Card, CopyLine, Empty, Loading, Modal, Page, Problem, ServiceIcon, Status } from '../ui/parts.js';

export function IntegrationsPage() {
  const list = useList('listIntegrations', { limit: 100 });
  const services = useServices();
  const [choosing, setChoosing] = useState(false);
  const create = useMay('admin') ? <Button kind="primary" icon="plus" onPress={() => setChoosing(true)}>{t.integrations.create}</Button> : null;
  return (
    <Page title={t.integrations.title} lead={t.integrations.lead} actions={create}>
      <Card pad={false}>
        <Table
          label={t.integrations.title} list={list} keyOf={({ id }) => id}
          columns={[
            { head: t.common.name, cell: (one) => <span className="row"><ServiceIcon small service={services.of(one.service)} /><Link href={`/integrations/${one.id}`}>{one.name}</Link>{one.shared ? <span className="tag">{t.integrations.shared}</span> : null}</span> },
            { head: t.common.service, cell: (one) => services.of(one.service)?.label ?? one.service },
            { head: t.integrations.client, cell: (one) => <code className="muted">{one.clientId}</code> },
            { head: t.integrations.secretState, cell: (one) => <Status of={one.secretState} /> },
          ]}
          empty={<Empty icon="integrations" title={t.integrations.none} action={create}>{t.integrations.noneHint}</Empty>}
        />
      </Card>
      {choosing ? (
        <Modal title={t.integrations.chooseService} onClose={() => setChoosing(false)}>
          <div className="choices">
            {(services.data ?? []).filter(({ usesOAuth }) => usesOAuth).map((service) => <Link key={service.id} href={`/integrations/new/${service.id}`} className="choice"><ServiceIcon service={service} /><b>{service.label}</b></Link>)}
          </div>
        </Modal>
      ) : null}
    </Page>
  );
}

/** What to do at the service, step by step, and the form for what comes out of it. */
export function NewIntegrationPage() {
  const { service: id = '' } = useParams();
  const [, navigate] = useLocation();
  const service = useServices().of(id);
  const [form, setForm] = useState({ name: '', clientId: '', clientSecret: '' });
  const [hosts, setHosts] = useState<Record<string, string>>({});
  const given = Object.fromEntries(Object.entries(hosts).filter(([, url]) => /^https?:\/\/[^/]/.test(url)));
  const setup = useApi('getIntegrationSetup', { service: id, ...(Object.keys(given).length ? { hosts: JSON.stringify(given) } : {}) }, { live: false });
  const create = useAction('createIntegration', (made) => navigate(`/integrations/${made.id}`));
  const set = (key: keyof typeof form) => (value: string) => setForm((before) => ({ ...before, [key]: value }));
  if (!service) return <Loading />;
  const ownHosts = service.hosts.filter(({ url }) => url !== null);
  const hostInput = (host: (typeof ownHosts)[number]) => (
    <TextInput key={host.name} label={t.integrations.host(host.name)} hint={t.integrations.hostHint(host.url)} type="url" optional={host.url !== null} value={hosts[host.name] ?? ''} onChange={(url) => setHosts({ ...hosts, [host.name]: url })} />
  );
  const name = form.name || service.label;
  return (
    <Page title={<span className="row"><ServiceIcon service={service} />{t.integrations.for(service.label)}</span>} crumbs={[{ label: t.nav.integrations, to: '/integrations' }, { label: service.label }]}>
      <div className="split">
        <Card title={t.integrations.steps}>
          <Problem error={setup.error} />
          {setup.data ? (
            <>
              <div className="stack-s"><span className="label">{t.integrations.redirect}</span><CopyLine label={t.integrations.redirect} text={setup.data.redirectUri} /><span className="hint">{t.integrations.redirectHint}</span></div>
              <ol className="steps">{setup.data.setupSteps.map((step) => <li key={step}>{step}</li>)}</ol>
            </>
          ) : <Loading />}
        </Card>
        <Card title={t.integrations.here}>
          <TextInput label={t.integrations.name} value={name} onChange={set('name')} />
          {service.hosts.filter(({ url }) => url === null).map(hostInput)}
          <TextInput label={t.integrations.client} required value={form.clientId} onChange={set('clientId')} />
          <TextInput label={t.integrations.secret} type="password" required value={form.clientSecret} onChange={set('clientSecret')} />
          {ownHosts.length > 0 ? <details className="details"><summary>{t.integrations.ownHosts}</summary><div className="form">{ownHosts.map(hostInput)}</div></details> : null}
          <Problem error={create.error} />
          <div className="actions">
            <Button kind="primary" pending={create.isPending} onPress={() => create.mutate({ service: id, name, clientId: form.clientId, clientSecret: form.clientSecret, hosts: given })}>{t.integrations.save}</Button>
            <ButtonLink to="/integrations">{t.common.cancel}</ButtonLink>
          </div>
        </Card>
      </div>
    </Page>
  );
}

import { Link, useParams } from 'wouter';
import { useServices, type Service } from '../api/lookups.js';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { ButtonLink, Card, Facts, Loading, Page, Problem, ServiceIcon } from '../ui/parts.js';

export function ServicesPage() {
  const services = useServices();
  return (
    <Page title={t.services.title} lead={t.services.lead}>
      <Problem error={services.error} />
      {services.data ? (
        <div className="grid">
          {services.data.map((service) => (
            <Link key={service.id} href={`/services/${service.id}`} className="choice">
              <ServiceIcon service={service} />
              <span>
                <b>{service.label}</b>
                <span className="small muted">{t.services.types(service.triggerTypes.length)} · {service.usesOAuth ? t.services.oauth : t.services.noOauth}</span>
              </span>
            </Link>
          ))}
        </div>
      ) : <Loading />}
    </Page>
  );
}

export function ServicePage() {
  const { service: id = '' } = useParams();
  const services = useServices();
  const service = services.of(id);
  const mayEdit = useMay('editor');
  const mayAdmin = useMay('admin');
  if (!service) return services.data ? <Page title={t.common.noPage}>{null}</Page> : <Loading />;
  return (
    <Page
      title={<span className="row"><ServiceIcon service={service} />{service.label}</span>}
      crumbs={[{ label: t.nav.services, to: '/services' }, { label: service.label }]}
      lead={<a href={service.docsUrl} target="_blank" rel="noreferrer">{t.services.docs}</a>}
      actions={
        <>
          {service.usesOAuth && mayAdmin ? <ButtonLink to={`/integrations/new/${service.id}`}>{t.services.setUp}</ButtonLink> : null}
          {mayEdit ? <ButtonLink to={`/triggers/new?service=${service.id}`} kind="primary" icon="plus">{t.services.newTrigger}</ButtonLink> : null}
        </>
      }
    >
      <div className="split">
        <div className="stack">{service.triggerTypes.map((type) => <TypeCard key={type.id} type={type} />)}</div>
        <div className="stack">
          <Card title={t.services.steps}><ol className="steps">{service.setupSteps.map((step) => <li key={step}>{step}</li>)}</ol></Card>
          {service.hosts.length > 0 ? <Card title={t.services.hosts}><Facts of={service.hosts.map(({ name, url }) => [name, url ? <code key={name}>{url}</code> : t.services.given])} /></Card> : null}
        </div>
      </div>
    </Page>
  );
}

function TypeCard({ type }: { type: Service['triggerTypes'][number] }) {
  const words = t.services.capabilities as Record<string, string>;
  return (
    <Card title={type.label}>
      <p className="muted">{type.description}</p>
      {type.scopes.length > 0 ? <div className="stack-s"><span className="label">{t.services.scopes}</span><div className="chips">{type.scopes.map((scope) => <span key={scope} className="tag">{scope}</span>)}</div></div> : null}
      <div className="stack-s"><h3>{t.services.can}</h3><Facts of={Object.entries(type.capabilities).map(([name, value]) => [words[name] ?? name, said(value)])} /></div>
    </Card>
  );
}

function said(value: unknown): string {
  if (typeof value === 'boolean') return value ? t.common.yes : t.common.no;
  if (Array.isArray(value)) return value.length === 0 ? t.common.none : value.join(', ');
  return String(value);
}

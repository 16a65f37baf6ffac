import { DRIFT_POLICIES, RESYNC_POLICIES } from 'virtual:contracts';
import { useState } from 'react';
import { useLocation, useParams, useSearch } from 'wouter';
import type { TriggerView } from '@vane/contracts';
import type { OutputOf } from '../api/client.js';
import { useAction, useApi } from '../api/hooks.js';
import { useServices, type Service } from '../api/lookups.js';
import { Picker } from '../form/picker.js';
import { emptySpec, SpecFields, specOf, type SpecDraft } from '../form/runnable-fields.js';
import { SchemaForm, type ObjectSchema, type Values } from '../form/schema-form.js';
import { t } from '../messages.js';
import { CheckInput, SelectInput, TextInput } from '../ui/fields.js';
import { Answer, Button, ButtonLink, Card, CopyLine, Loading, Note, Page, Problem, ServiceIcon, Status } from '../ui/parts.js';

type TriggerType = Service['triggerTypes'][number];
type Care = Pick<TriggerView, 'resync' | 'onDrift' | 'expectEverySeconds'>;

export function NewTriggerPage() {
  const asked = new URLSearchParams(useSearch());
  const [serviceId, setServiceId] = useState(asked.get('service') ?? '');
  const [typeId, setTypeId] = useState('');
  const services = useServices();
  if (!services.data) return <Loading />;
  const service = services.of(serviceId);
  const type = service?.triggerTypes.find(({ id }) => id === typeId) ?? (service?.triggerTypes.length === 1 ? service.triggerTypes[0] : undefined);
  return (
    <Page narrow title={t.triggers.create} crumbs={[{ label: t.nav.triggers, to: '/triggers' }, { label: t.triggers.create }]}>
      <Card title={t.triggers.service}>
        <div className="choices">
          {services.data.map((one) => (
            <button key={one.id} type="button" className="choice" aria-pressed={one.id === serviceId} onClick={() => { setServiceId(one.id); setTypeId(''); }}>
              <ServiceIcon service={one} /><span><b>{one.label}</b><span className="small muted">{t.services.types(one.triggerTypes.length)}</span></span>
            </button>
          ))}
        </div>
      </Card>
      {service && service.triggerTypes.length > 1 ? (
        <Card title={t.triggers.type}>
          <div className="choices">
            {service.triggerTypes.map((one) => (
              <button key={one.id} type="button" className="choice" aria-pressed={one.id === typeId} onClick={() => setTypeId(one.id)}><span><b>{one.label}</b><span className="small muted">{one.description}</span></span></button>
            ))}
          </div>
        </Card>
      ) : null}
      {service && type ? <NewTriggerForm key={`${service.id} ${type.id}`} service={service} type={type} /> : null}
    </Page>
  );
}

function NewTriggerForm({ service, type }: { service: Service; type: TriggerType }) {
  const [name, setName] = useState(type.label);
  const [connectionId, setConnectionId] = useState('');
  const [config, setConfig] = useState<Values>({});
  const [what, setWhat] = useState<What>({ from: 'starter', runnableId: '', spec: emptySpec(type.starterScript) });
  const [paused, setPaused] = useState(false);
  const create = useAction('createTrigger');
  const createRunnable = useAction('createRunnable');
  const preflight = useAction('preflightTrigger');
  const asked = { service: service.id, type: type.id, config: config as never, ...(connectionId ? { connectionId } : {}) };
  const submit = async (): Promise<void> => {
    const runnableId = what.from === 'existing' ? what.runnableId : (await createRunnable.mutateAsync({ name, spec: specOf(what.spec) as never })).id;
    // What was made is used if the trigger is refused and tried again.
    setWhat({ ...what, from: 'existing', runnableId });
    await create.mutateAsync({ ...asked, name, runnableId, paused });
  };
  if (create.data) return <Created trigger={create.data} runnableSecret={createRunnable.data?.secret ?? null} />;
  return (
    <>
      {type.needsConnection ? <Card title={t.triggers.connection}><ConnectionChoice service={service.id} value={connectionId} onChange={setConnectionId} /></Card> : null}
      <Card title={t.triggers.configTitle}>
        <TextInput label={t.common.name} hint={t.triggers.nameHint} required value={name} onChange={setName} />
        <ConfigForm type={type} connection={connectionId} config={config} onChange={setConfig} errors={create.error?.fields ?? preflight.error?.fields ?? []} />
        <div className="actions"><Button small pending={preflight.isPending} onPress={() => preflight.mutate(asked)}>{t.triggers.preflight}</Button></div>
        <Problem error={preflight.error} />
        {preflight.data ? <Checks result={preflight.data} /> : null}
      </Card>
      <Card title={t.triggers.runTitle}><WhatToRun what={what} starter={type.starterScript} onChange={setWhat} /></Card>
      <CheckInput label={t.triggers.paused} value={paused} onChange={setPaused} />
      <Problem error={createRunnable.error ?? create.error} />
      <div className="actions"><Button kind="primary" pending={create.isPending || createRunnable.isPending} onPress={() => void submit().catch(() => undefined)}>{t.triggers.create}</Button></div>
    </>
  );
}

/** The schema form of a trigger type, with what the connected account offers beside its fields. */
function ConfigForm({ type, connection, config, onChange, errors }: { type: TriggerType; connection: string; config: Values; onChange: (config: Values) => void; errors: { path: string; message: string }[] }) {
  const schema = type.configSchema as ObjectSchema;
  const picker = (field: string, label: string) => {
    const found = type.pickers.find((one) => one.field === field);
    if (!found) return null;
    if (connection === '') return <span className="hint">{t.form.needsConnection}</span>;
    const list = schema.properties?.[field]?.type === 'array';
    return (
      <Picker connection={connection} triggerType={type.id} picker={found.name} label={label}
        onPick={({ value, also }) => onChange({ ...config, [field]: list ? [...new Set([...((config[field] as string[] | undefined) ?? []), value])] : value, ...also })} />
    );
  };
  const own = errors.map(({ path, message }) => ({ path: path.replace(/^config\./, ''), message }));
  return <SchemaForm schema={schema} values={config} onChange={onChange} errors={own} picker={picker} />;
}

function Checks({ result }: { result: OutputOf<'preflightTrigger'> }) {
  return (
    <div className="stack-s">
      {result.ok ? <Note tone="ok">{t.triggers.preflightOk}</Note> : null}
      {result.checks.map((check) => <div key={check.id} className="stack-s"><span className="row"><Status of={check.state} /><b>{check.label}</b></span><span className="small">{check.message}</span>{check.fix ? <span className="small error">{check.fix}</span> : null}</div>)}
    </div>
  );
}

function ConnectionChoice({ service, value, onChange }: { service: string; value: string; onChange: (connection: string) => void }) {
  const { data } = useApi('listConnections', { limit: 200 });
  const items = (data?.items ?? []).filter((one) => one.service === service && one.usable);
  if (data && items.length === 0) return <Note tone="info"><span>{t.triggers.connectFirst}</span><div className="actions"><ButtonLink small kind="primary" to={`/connections?connect=${service}`}>{t.triggers.connectAction}</ButtonLink></div></Note>;
  return <SelectInput label={t.triggers.connection} value={value} empty={t.form.choose} choices={items.map((one) => ({ value: one.id, label: one.name ?? one.accountLabel }))} onChange={onChange} />;
}

type What = { from: 'existing' | 'starter' | 'http'; runnableId: string; spec: SpecDraft };

/** What the trigger starts: a runnable that is there, or a new one. */
function WhatToRun({ what, starter, onChange }: { what: What; starter: string; onChange: (what: What) => void }) {
  const { data } = useApi('listRunnables', { limit: 200 }, { live: false });
  const choose = (from: What['from']): void => onChange({ ...what, from, spec: from === 'http' ? { ...emptySpec(starter), kind: 'http' } : emptySpec(starter) });
  const ways: [What['from'], string][] = [['starter', t.triggers.fromStarter], ['existing', t.triggers.existing], ['http', t.triggers.httpTarget]];
  return (
    <>
      <div className="choices">{ways.map(([from, label]) => <button key={from} type="button" className="choice" aria-pressed={what.from === from} onClick={() => choose(from)}><b>{label}</b></button>)}</div>
      {what.from === 'existing'
        ? <SelectInput label={t.triggers.runnable} value={what.runnableId} empty={t.form.choose} choices={(data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }))} onChange={(runnableId) => onChange({ ...what, runnableId })} />
        : <SpecFields fixedKind spec={what.spec} onChange={(spec) => onChange({ ...what, spec })} />}
    </>
  );
}

function Created({ trigger, runnableSecret }: { trigger: OutputOf<'createTrigger'>; runnableSecret: string | null }) {
  return (
    <Card title={t.triggers.createdTitle}>
      {trigger.connectionId === null ? (
        <>
          <p className="muted">{trigger.secret ? t.triggers.createdSecret : t.triggers.createdUrl}</p>
          <span className="label">{t.triggers.url}</span><CopyLine label={t.triggers.url} text={trigger.callbackUrl} />
          {trigger.secret ? <><span className="label">{t.triggers.secret}</span><CopyLine label={t.triggers.secret} text={trigger.secret} /><p className="small muted">{t.common.shownOnce}</p></> : null}
        </>
      ) : null}
      {runnableSecret ? <><span className="label">{t.runnables.secret}</span><CopyLine label={t.runnables.secret} text={runnableSecret} /><p className="small muted">{t.common.shownOnce}</p></> : null}
      <div className="actions"><ButtonLink to={`/triggers/${trigger.id}`} kind="primary">{t.triggers.open}</ButtonLink></div>
    </Card>
  );
}

export function EditTriggerPage() {
  const { trigger = '' } = useParams();
  const query = useApi('getTrigger', { trigger }, { live: false });
  return <Answer query={query}>{(data) => <EditForm key={data.version} trigger={data} />}</Answer>;
}

function EditForm({ trigger }: { trigger: TriggerView }) {
  const [, navigate] = useLocation();
  const [name, setName] = useState(trigger.name);
  const [connectionId, setConnectionId] = useState(trigger.connectionId ?? '');
  const [config, setConfig] = useState<Values>(trigger.config);
  const [runnableId, setRunnableId] = useState(trigger.runnableId ?? '');
  const [care, setCare] = useState<Care>({ resync: trigger.resync, onDrift: trigger.onDrift, expectEverySeconds: trigger.expectEverySeconds });
  const runnables = useApi('listRunnables', { limit: 200 }, { live: false });
  const type = useServices().of(trigger.service)?.triggerTypes.find(({ id }) => id === trigger.type);
  const update = useAction('updateTrigger', () => navigate(`/triggers/${trigger.id}`));
  const save = (): void => update.mutate({ trigger: trigger.id, ifMatch: trigger.version, name, config: config as never, ...care, ...(runnableId ? { runnableId } : {}), ...(connectionId && connectionId !== trigger.connectionId ? { connectionId } : {}) });
  if (!type) return <Loading />;
  return (
    <Page narrow title={t.triggers.edit} crumbs={[{ label: t.nav.triggers, to: '/triggers' }, { label: trigger.name, to: `/triggers/${trigger.id}` }, { label: t.common.edit }]}>
      <Card title={t.triggers.configTitle}>
        <TextInput label={t.common.name} required value={name} onChange={setName} />
        {type.needsConnection ? <ConnectionChoice service={trigger.service} value={connectionId} onChange={setConnectionId} /> : null}
        <ConfigForm type={type} connection={connectionId} config={config} onChange={setConfig} errors={update.error?.fields ?? []} />
      </Card>
      <Card title={t.triggers.runTitle}><SelectInput label={t.triggers.runnable} value={runnableId} empty={t.form.choose} choices={(runnables.data?.items ?? []).map(({ id, name: label }) => ({ value: id, label }))} onChange={setRunnableId} /></Card>
      <Card title={t.triggers.care}><CareFields care={care} onChange={setCare} /></Card>
      <Problem error={update.error} />
      <div className="actions"><Button kind="primary" pending={update.isPending} onPress={save}>{t.common.save}</Button><ButtonLink to={`/triggers/${trigger.id}`}>{t.common.cancel}</ButtonLink></div>
    </Page>
  );
}

function CareFields({ care, onChange }: { care: Care; onChange: (care: Care) => void }) {
  return (
    <div className="form-row">
      <SelectInput label={t.triggers.resync} value={care.resync} choices={RESYNC_POLICIES.map((value) => ({ value, label: t.triggers.resyncs[value] }))} onChange={(resync) => onChange({ ...care, resync: resync as Care['resync'] })} />
      <SelectInput label={t.triggers.onDrift} value={care.onDrift} choices={DRIFT_POLICIES.map((value) => ({ value, label: t.triggers.drifts[value] }))} onChange={(onDrift) => onChange({ ...care, onDrift: onDrift as Care['onDrift'] })} />
      <TextInput label={t.triggers.expect} hint={t.triggers.expectHint} type="number" optional value={care.expectEverySeconds === null ? '' : String(care.expectEverySeconds)} onChange={(text) => onChange({ ...care, expectEverySeconds: text === '' ? null : Number(text) })} />
    </div>
  );
}

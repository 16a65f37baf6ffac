import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import type { OutputOf } from '../api/client.js';
import { useAction, useApi } from '../api/hooks.js';
import { useMay } from '../api/session.js';
import { draftOf, emptySpec, RetryFields, SpecFields, specOf, type RetryDraft } from '../form/runnable-fields.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Answer, Button, ButtonLink, Card, Code, ConfirmButton, CopyLine, Note, Page, Problem, Status } from '../ui/parts.js';

const verifySnippet = `import { Webhook } from 'standardwebhooks';

// body: the raw text of the request; secret: whsec_...
const event = new Webhook(secret).verify(body, headers);
`;

export function NewRunnablePage() {
  const [, navigate] = useLocation();
  const [name, setName] = useState('');
  const [spec, setSpec] = useState(() => emptySpec(t.runnables.starter));
  const [retry, setRetry] = useState<RetryDraft>({});
  const create = useAction('createRunnable', (made) => { if (made.secret === null) navigate(`/runnables/${made.id}`); });
  if (create.data?.secret) return <HttpCreated made={create.data} />;
  return (
    <Page narrow title={t.runnables.create} crumbs={[{ label: t.nav.runnables, to: '/runnables' }, { label: t.runnables.create }]}>
      <Card><TextInput label={t.common.name} required value={name} onChange={setName} /><SpecFields spec={spec} onChange={setSpec} /></Card>
      <Card title={t.runnables.retry}><RetryFields retry={retry} onChange={setRetry} /></Card>
      <Problem error={create.error} />
      <div className="actions"><Button kind="primary" pending={create.isPending} onPress={() => create.mutate({ name, spec: specOf(spec), retry })}>{t.common.create}</Button></div>
    </Page>
  );
}

function HttpCreated({ made }: { made: OutputOf<'createRunnable'> }) {
  return (
    <Page narrow title={made.name} crumbs={[{ label: t.nav.runnables, to: '/runnables' }, { label: made.name }]}>
      <Card title={t.runnables.secret}>
        <p className="muted">{t.runnables.secretHint} {t.common.shownOnce}</p>
        <CopyLine label={t.runnables.secret} text={made.secret ?? ''} />
        <h3>{t.runnables.verify}</h3>
        <Code value={verifySnippet} label={t.runnables.verify} />
        <div className="actions"><ButtonLink to={`/runnables/${made.id}`} kind="primary">{t.common.close}</ButtonLink></div>
      </Card>
    </Page>
  );
}

export function RunnablePage() {
  const { runnable = '' } = useParams();
  const query = useApi('getRunnable', { runnable }, { live: false });
  return <Answer query={query}>{(data) => <Editor key={`${data.id} ${data.version}`} runnable={data} />}</Answer>;
}

function Editor({ runnable }: { runnable: OutputOf<'getRunnable'> }) {
  const [, navigate] = useLocation();
  const [name, setName] = useState(runnable.name);
  const [spec, setSpec] = useState(() => draftOf(runnable.spec));
  const [retry, setRetry] = useState<RetryDraft>(runnable.retry);
  const update = useAction('updateRunnable');
  const remove = useAction('deleteRunnable', () => navigate('/runnables'));
  const mayEdit = useMay('editor');
  return (
    <Page
      title={runnable.name} crumbs={[{ label: t.nav.runnables, to: '/runnables' }, { label: runnable.name }]} lead={`${t.runnables.kinds[runnable.kind]} · ${t.runnables.version} ${runnable.version}`}
      actions={mayEdit ? (
        <>
          <ConfirmButton label={t.common.delete} title={t.runnables.deleteTitle} confirm={t.common.delete} pending={remove.isPending} error={remove.error} onConfirm={() => remove.mutate({ runnable: runnable.id })}>
            <p>{t.runnables.deleteText}</p><UsedBy runnable={runnable.id} />
          </ConfirmButton>
          <Button kind="primary" pending={update.isPending} onPress={() => update.mutate({ runnable: runnable.id, ifMatch: runnable.version, name, spec: specOf(spec), retry })}>{t.common.save}</Button>
        </>
      ) : null}
    >
      <Problem error={update.error} />
      {runnable.version > 1 && !update.error ? <Note tone="ok">{t.runnables.saved}</Note> : null}
      <div className="split">
        <Card><TextInput label={t.common.name} required value={name} onChange={setName} /><SpecFields fixedKind spec={spec} onChange={setSpec} /></Card>
        <div className="stack">
          <Card title={t.runnables.usedBy}><UsedBy runnable={runnable.id} /></Card>
          <Card title={t.runnables.retry}><RetryFields retry={retry} onChange={setRetry} /></Card>
          {runnable.kind === 'http' ? <Card title={t.runnables.verify}><Code value={verifySnippet} label={t.runnables.verify} /></Card> : null}
        </div>
      </div>
    </Page>
  );
}

function UsedBy({ runnable }: { runnable: string }) {
  const { data } = useApi('listTriggers', { runnable, limit: 100 });
  const items = data?.items ?? [];
  if (items.length === 0) return <p className="muted">{t.runnables.unused}</p>;
  return <ul className="stack-s">{items.map((one) => <li key={one.id} className="row between"><Link href={`/triggers/${one.id}`}>{one.name}</Link><Status of={one.status} /></li>)}</ul>;
}

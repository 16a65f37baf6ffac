import { lazy, Suspense } from 'react';
import type { RetryPolicy, RunnableSpec } from '@vane/contracts';
import { t } from '../messages.js';
import { CheckInput, SelectInput, TextInput } from '../ui/fields.js';

const CodeEditor = lazy(async () => ({ default: (await import('./code-editor.js')).CodeEditor }));

export type SpecDraft = { kind: 'script' | 'http'; language: 'typescript' | 'javascript'; code: string; url: string; timeoutMs: number | undefined; memoryMb: number | undefined };
export type RetryDraft = Partial<RetryPolicy>;

export const emptySpec = (code: string): SpecDraft => ({ kind: 'script', language: 'typescript', code, url: '', timeoutMs: undefined, memoryMb: undefined });
export const draftOf = (spec: RunnableSpec): SpecDraft => ({ ...emptySpec(''), ...spec });

/** The draft as the API takes it; what is left out gets the default there. */
export function specOf({ kind, language, code, url, timeoutMs, memoryMb }: SpecDraft) {
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  return kind === 'http' ? { kind, url, ...limit } : { kind, language, code, ...limit, ...(memoryMb === undefined ? {} : { memoryMb }) };
}

const number = (text: string): number | undefined => (text === '' ? undefined : Number(text));
const shown = (value: number | undefined): string => (value === undefined ? '' : String(value));

/** What a runnable is: a script in the editor, or the target that is called. */
export function SpecFields({ spec, onChange, fixedKind = false }: { spec: SpecDraft; onChange: (spec: SpecDraft) => void; fixedKind?: boolean }) {
  const set = (change: Partial<SpecDraft>): void => onChange({ ...spec, ...change });
  return (
    <div className="form">
      <div className="form-row">
        {fixedKind ? null : <SelectInput label={t.runnables.kind} value={spec.kind} choices={[{ value: 'script', label: t.runnables.kinds.script }, { value: 'http', label: t.runnables.kinds.http }]} onChange={(kind) => set({ kind: kind as SpecDraft['kind'] })} />}
        {spec.kind === 'script' ? <SelectInput label={t.runnables.language} value={spec.language} choices={[{ value: 'typescript', label: 'TypeScript' }, { value: 'javascript', label: 'JavaScript' }]} onChange={(language) => set({ language: language as SpecDraft['language'] })} /> : null}
      </div>
      {spec.kind === 'script' ? (
        <div className="stack-s">
          <span className="label">{t.runnables.code}</span>
          <Suspense fallback={<p className="muted">{t.runnables.loadingEditor}</p>}><CodeEditor label={t.runnables.code} value={spec.code} onChange={(code) => set({ code })} /></Suspense>
          <span className="hint">{t.runnables.codeHint}</span>
        </div>
      ) : <TextInput label={t.runnables.url} hint={t.runnables.urlHint} type="url" required value={spec.url} onChange={(url) => set({ url })} />}
      <div className="form-row">
        <TextInput label={t.runnables.timeout} type="number" optional value={shown(spec.timeoutMs)} onChange={(text) => set({ timeoutMs: number(text) })} />
        {spec.kind === 'script' ? <TextInput label={t.runnables.memory} type="number" optional value={shown(spec.memoryMb)} onChange={(text) => set({ memoryMb: number(text) })} /> : null}
      </div>
    </div>
  );
}

export function RetryFields({ retry, onChange }: { retry: RetryDraft; onChange: (retry: RetryDraft) => void }) {
  const set = (key: 'maxAttempts' | 'backoffMs') => (text: string): void => {
    const { [key]: _before, ...rest } = retry;
    const value = number(text);
    onChange(value === undefined ? rest : { ...rest, [key]: value });
  };
  return (
    <div className="form">
      <div className="form-row">
        <TextInput label={t.runnables.attempts} type="number" optional value={shown(retry.maxAttempts)} onChange={set('maxAttempts')} />
        <TextInput label={t.runnables.backoff} type="number" optional value={shown(retry.backoffMs)} onChange={set('backoffMs')} />
      </div>
      <CheckInput label={t.runnables.atMostOnce} value={retry.atMostOnce ?? false} onChange={(atMostOnce) => onChange({ ...retry, atMostOnce })} />
    </div>
  );
}

import { useId, type ReactNode } from 'react';
import { t } from '../messages.js';

type Common = { label: string; hint?: ReactNode; error?: string | undefined; optional?: boolean };

/** A label with what belongs to it, tied together for people who do not see it. */
export function Field({ label, hint, error, optional = false, children }: Common & { children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean | undefined }) => ReactNode }) {
  const id = useId();
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>{label}{optional ? <span className="optional"> {t.common.optional}</span> : null}</label>
      {children({ id, 'aria-describedby': described === '' ? undefined : described, 'aria-invalid': error ? true : undefined })}
      {hint ? <span className="hint" id={`${id}-hint`}>{hint}</span> : null}
      {error ? <span className="error" id={`${id}-error`}>{error}</span> : null}
    </div>
  );
}

export function TextInput({ value, onChange, type = 'text', autoComplete, required, placeholder, multiline, mono, ...common }: Common & {
  value: string; onChange: (value: string) => void; type?: string; autoComplete?: string; required?: boolean; placeholder?: string; multiline?: boolean; mono?: boolean;
}) {
  return (
    <Field {...common}>
      {(ids) => multiline
        ? <textarea {...ids} className={`input${mono ? ' mono' : ''}`} value={value} placeholder={placeholder} onChange={(event) => onChange(event.target.value)} />
        : <input {...ids} className={`input${mono ? ' mono' : ''}`} type={type} value={value} autoComplete={autoComplete ?? 'off'} required={required} placeholder={placeholder} onChange={(event) => onChange(event.target.value)} />}
    </Field>
  );
}

export type Choice = { value: string; label: string };

export function SelectInput({ value, onChange, choices, empty, ...common }: Common & { value: string; onChange: (value: string) => void; choices: Choice[]; empty?: string }) {
  return (
    <Field {...common}>
      {(ids) => (
        <select {...ids} className="input" value={value} onChange={(event) => onChange(event.target.value)}>
          {empty === undefined ? null : <option value="">{empty}</option>}
          {choices.map((choice) => <option key={choice.value} value={choice.value}>{choice.label}</option>)}
        </select>
      )}
    </Field>
  );
}

export function CheckInput({ label, hint, value, onChange }: { label: string; hint?: ReactNode; value: boolean; onChange: (value: boolean) => void }) {
  const id = useId();
  return (
    <div className="stack-s">
      <label className="check"><input type="checkbox" checked={value} aria-describedby={hint ? id : undefined} onChange={(event) => onChange(event.target.checked)} /><span>{label}</span></label>
      {hint ? <span className="hint" id={id}>{hint}</span> : null}
    </div>
  );
}

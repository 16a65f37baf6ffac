import { useState, type ReactNode } from 'react';
import type { FieldError } from '../api/client.js';
import { t } from '../messages.js';
import { CheckInput, Field, SelectInput, TextInput } from '../ui/fields.js';
import { Button } from '../ui/parts.js';

export type Values = Record<string, unknown>;
export type PropertySchema = {
  type?: string; title?: string; description?: string; enum?: string[]; default?: unknown; items?: PropertySchema; minimum?: number; maximum?: number;
};
export type ObjectSchema = { properties?: Record<string, PropertySchema>; required?: string[] };

type FormProps = {
  /** JSON Schema (2020-12) of an object, as an adapter gives it for a trigger type's config. */
  schema: ObjectSchema;
  values: Values;
  onChange: (values: Values) => void;
  /** What the server said against the values, by dotted path. */
  errors?: FieldError[];
  /** What stands beside a field to choose its value from. */
  picker?: (name: string, label: string) => ReactNode;
};

/** So many optional fields are shown at once; more of them wait behind a line to open. */
const FEW = 3;

/** A form for whatever a schema describes. The server's answer is the check of it; the form only asks for the right kinds. */
export function SchemaForm({ schema, values, onChange, errors = [], picker }: FormProps) {
  const names = Object.keys(schema.properties ?? {});
  const set = (name: string) => (value: unknown): void => {
    const { [name]: _before, ...rest } = values;
    onChange(value === undefined || value === '' ? rest : { ...rest, [name]: value });
  };
  const isNeeded = (name: string): boolean => schema.required?.includes(name) === true;
  const field = (name: string): ReactNode => {
    const property = schema.properties![name]!;
    const label = property.title ?? name;
    const error = errors.find(({ path }) => path === name || path.startsWith(`${name}.`))?.message;
    return (
      <div key={name} className="stack-s">
        <Property property={property} label={label} value={values[name]} error={error} optional={!isNeeded(name)} onChange={set(name)} />
        {picker?.(name, label)}
      </div>
    );
  };
  const optional = names.filter((name) => !isNeeded(name));
  if (optional.length <= FEW) return <div className="form">{names.map(field)}</div>;
  const isOpen = optional.some((name) => values[name] !== undefined || errors.some(({ path }) => path.startsWith(name)));
  return (
    <div className="form">
      {names.filter(isNeeded).map(field)}
      <details className="details" open={isOpen || undefined}><summary>{t.form.more}</summary><div className="form-row">{optional.map(field)}</div></details>
    </div>
  );
}

type PropertyProps = { property: PropertySchema; label: string; value: unknown; error: string | undefined; optional: boolean; onChange: (value: unknown) => void };

function Property({ property, label, value, error, optional, onChange }: PropertyProps) {
  const common = { label, hint: property.description, error, optional };
  if (property.type === 'boolean') return <CheckInput label={label} hint={property.description} value={(value ?? property.default) === true} onChange={onChange} />;
  if (property.type === 'array') return <ListInput {...common} choices={property.items?.enum} value={Array.isArray(value) ? (value as string[]) : []} onChange={onChange} />;
  if (property.enum) {
    const choices = property.enum.map((one) => ({ value: one, label: one }));
    return <SelectInput {...common} value={String(value ?? property.default ?? '')} choices={choices} empty={optional ? t.form.leaveOut : ''} onChange={onChange} />;
  }
  if (property.type === 'integer' || property.type === 'number') {
    return <TextInput {...common} type="number" value={value === undefined ? '' : String(value)} onChange={(text) => onChange(text === '' ? undefined : Number(text))} />;
  }
  if (property.type === 'string' || property.type === undefined) return <TextInput {...common} value={String(value ?? '')} onChange={onChange} />;
  return <JsonInput {...common} value={value} onChange={onChange} />;
}

type Common = { label: string; hint: string | undefined; error: string | undefined; optional: boolean };

/** Several texts, added one by one or chosen from a fixed set. */
function ListInput({ choices, value, onChange, ...common }: Common & { choices: string[] | undefined; value: string[]; onChange: (value: unknown) => void }) {
  const [text, setText] = useState('');
  const add = (one: string): void => {
    const trimmed = one.trim();
    if (trimmed !== '' && !value.includes(trimmed)) onChange([...value, trimmed]);
    setText('');
  };
  const remove = (one: string): void => {
    const rest = value.filter((other) => other !== one);
    onChange(rest.length === 0 ? undefined : rest);
  };
  return (
    <Field {...common}>
      {(ids) => (
        <div className="stack-s">
          {value.length > 0 ? <div className="chips">{value.map((one) => <span key={one} className="chip">{one}<button type="button" aria-label={t.form.removeValue(one)} onClick={() => remove(one)}>×</button></span>)}</div> : null}
          {choices ? (
            <select {...ids} className="input" value="" onChange={(event) => add(event.target.value)}>
              <option value="">{t.form.addValue}</option>
              {choices.filter((one) => !value.includes(one)).map((one) => <option key={one}>{one}</option>)}
            </select>
          ) : (
            <div className="copy-line">
              <input {...ids} className="input" value={text} onChange={(event) => setText(event.target.value)} onBlur={() => add(text)} onKeyDown={(event) => { if (event.key === 'Enter') { event.preventDefault(); add(text); } }} />
              <Button small onPress={() => add(text)}>{t.form.addValue}</Button>
            </div>
          )}
        </div>
      )}
    </Field>
  );
}

/** What no simple field can hold, as JSON. */
function JsonInput({ value, onChange, ...common }: Common & { value: unknown; onChange: (value: unknown) => void }) {
  const [text, setText] = useState(() => (value === undefined ? '' : JSON.stringify(value, null, 2)));
  const [wrong, setWrong] = useState(false);
  const change = (next: string): void => {
    setText(next);
    try {
      onChange(next.trim() === '' ? undefined : (JSON.parse(next) as unknown));
      setWrong(false);
    } catch {
      setWrong(true);
    }
  };
  return <TextInput {...common} error={wrong ? t.form.notJson : common.error} multiline mono value={text} onChange={change} />;
}

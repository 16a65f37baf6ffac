import { useState, type CSSProperties, type ReactNode } from 'react';
import { Button as AriaButton, Dialog, Heading, Modal as AriaModal, ModalOverlay, type ButtonProps } from 'react-aria-components';
import { Link } from 'wouter';
import type { ServiceView } from '@vane/contracts';
import type { ApiError } from '../api/client.js';
import { t } from '../messages.js';
import { Icon, type IconName } from './icons.js';
import { toneOf, wordOf, type Tone } from './status.js';

type Kind = 'primary' | 'danger' | 'quiet' | 'plain';
const classOf = (kind: Kind, small: boolean): string => `button${kind === 'plain' ? '' : ` button-${kind}`}${small ? ' button-s' : ''}`;

/** A button; while `pending` it cannot be pressed again. */
export function Button({ kind = 'plain', small = false, pending = false, icon, children, ...props }: Omit<ButtonProps, 'children' | 'className'> & {
  kind?: Kind; small?: boolean; pending?: boolean; icon?: IconName; children?: ReactNode;
}) {
  return (
    <AriaButton {...props} isDisabled={pending || props.isDisabled === true} className={classOf(kind, small)}>
      {icon ? <Icon name={icon} /> : null}
      {children}
    </AriaButton>
  );
}

/** A link that looks like a button. */
export function ButtonLink({ to, kind = 'plain', small = false, icon, children }: { to: string; kind?: Kind; small?: boolean; icon?: IconName; children: ReactNode }) {
  return (
    <Link href={to} className={classOf(kind, small)}>
      {icon ? <Icon name={icon} /> : null}
      {children}
    </Link>
  );
}

/** A dialog over the page; Escape and a press beside it close it. */
export function Modal({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  return (
    <ModalOverlay isOpen onOpenChange={(open) => { if (!open) onClose(); }} isDismissable className="overlay">
      <AriaModal className="modal">
        <Dialog className="dialog">
          <Heading slot="title" level={2}>{title}</Heading>
          {children}
        </Dialog>
      </AriaModal>
    </ModalOverlay>
  );
}

/** A button that asks before it acts: the dialog says what the action does. */
export function ConfirmButton({ label, title, children, confirm, onConfirm, kind = 'danger', small, pending, error }: {
  label: string; title: string; children: ReactNode; confirm: string; onConfirm: (close: () => void) => void;
  kind?: Kind; small?: boolean; pending?: boolean; error?: ApiError | null;
}) {
  const [open, setOpen] = useState(false);
  const close = (): void => setOpen(false);
  return (
    <>
      <Button kind={kind === 'danger' ? 'danger' : 'plain'} small={small ?? false} onPress={() => setOpen(true)}>{label}</Button>
      {open ? (
        <Modal title={title} onClose={close}>
          {children}
          <Problem error={error} />
          <div className="dialog-foot">
            <Button onPress={close}>{t.common.cancel}</Button>
            <Button kind={kind} pending={pending ?? false} onPress={() => onConfirm(close)}>{confirm}</Button>
          </div>
        </Modal>
      ) : null}
    </>
  );
}

/** What went wrong, in the words of the server. */
export function Problem({ error }: { error?: ApiError | Error | null | undefined }) {
  if (!error) return null;
  const fields = 'fields' in error ? error.fields.filter(({ path }) => path !== '') : [];
  return (
    <div className="note note-bad" role="alert">
      <span>{error.message}</span>
      {fields.length > 0 ? <ul className="stack-s small">{fields.map(({ path, message }) => <li key={path + message}><code>{path}</code> {message}</li>)}</ul> : null}
    </div>
  );
}

export function Note({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return <div className={`note${tone === 'plain' ? '' : ` note-${tone}`}`}>{children}</div>;
}

/** The state of an object as a coloured word. */
export function Status({ of }: { of: string }) {
  const tone = toneOf(of);
  return <span className={`pill${tone === 'plain' ? '' : ` pill-${tone}`}`}>{wordOf(of)}</span>;
}

export type Crumb = { label: string; to?: string };

/** A page with its heading, where it stands, and what can be done on it. */
export function Page({ title, crumbs = [], lead, actions, narrow = false, children }: {
  title: ReactNode; crumbs?: Crumb[]; lead?: ReactNode; actions?: ReactNode; narrow?: boolean; children: ReactNode;
}) {
  return (
    <div className={`page${narrow ? ' page-narrow' : ''}`}>
      <header className="page-head">
        <div>
          {crumbs.length > 0 ? (
            <nav aria-label={t.common.breadcrumbs}>
              <ol className="crumbs">{crumbs.map(({ label, to }) => <li key={label}>{to ? <Link href={to}>{label}</Link> : label}</li>)}</ol>
            </nav>
          ) : null}
          <h1>{title}</h1>
          {lead ? <p className="muted">{lead}</p> : null}
        </div>
        {actions ? <div className="actions">{actions}</div> : null}
      </header>
      {children}
    </div>
  );
}

export function Card({ title, actions, pad = true, children }: { title?: ReactNode; actions?: ReactNode; pad?: boolean; children: ReactNode }) {
  return (
    <section className="card">
      {title || actions ? <div className="card-head">{title ? <h2>{title}</h2> : <span />}{actions ? <div className="actions">{actions}</div> : null}</div> : null}
      {pad ? <div className="card-pad">{children}</div> : children}
    </section>
  );
}

/** What to do where there is nothing yet. */
export function Empty({ icon, title, children, action }: { icon: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <span className="empty-mark"><Icon name={icon} /></span>
      <h2>{title}</h2>
      {children ? <p>{children}</p> : null}
      {action ? <div className="actions">{action}</div> : null}
    </div>
  );
}

export const Loading = () => <div className="loading" role="status"><span className="spin" /><span className="visually-hidden">{t.common.loading}</span></div>;

/** Name and value, line by line; what is null or undefined is left out. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [<dt key={`${name}:`}>{name}</dt>, <dd key={name}>{value}</dd>])}
    </dl>
  );
}

function useCopy(text: string): [boolean, () => void] {
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 2_000);
    });
  };
  return [copied, copy];
}

/** A line to copy, such as a URL or a secret. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  const [copied, copy] = useCopy(text);
  return (
    <div className="copy-line">
      <code>{text}</code>
      <Button small onPress={copy} aria-label={t.common.copyOf(label)}>{copied ? t.common.copied : t.common.copy}</Button>
    </div>
  );
}

/** Text or JSON as it is, to read and to copy. */
export function Code({ value, label, wrap = false }: { value: unknown; label: string; wrap?: boolean }) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  const [copied, copy] = useCopy(text);
  return (
    <div className="code">
      <pre className={wrap ? 'wrap' : ''} tabIndex={0} role="region" aria-label={label}>{text}</pre>
      <Button small onPress={copy} aria-label={t.common.copyOf(label)}>{copied ? t.common.copied : t.common.copy}</Button>
    </div>
  );
}

/** The icon that the adapter brings, in the colour of the text. Drawn as an image: nothing in it can run. */
export function ServiceIcon({ service, small = false }: { service: Pick<ServiceView, 'icon'> | undefined; small?: boolean }) {
  const style = service ? ({ '--icon': `url("data:image/svg+xml,${encodeURIComponent(service.icon)}")` } as CSSProperties) : {};
  return <span className={`service-icon${small ? ' service-icon-s' : ''}`} aria-hidden="true">{service ? <span style={style} /> : null}</span>;
}

/** Says what a query is doing until its answer is there. */
export function Answer<T>({ query, children }: { query: { data: T | undefined; error: ApiError | null }; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  return query.error ? <Problem error={query.error} /> : <Loading />;
}

import type { FormEvent, ReactNode } from 'react';
import icon from '../icon.svg';
import { t } from '../messages.js';

/** The card in the middle of the page, before anybody is signed in. */
export function GateCard({ title, lead, onSubmit, children }: { title: string; lead?: ReactNode; onSubmit?: () => void; children: ReactNode }) {
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onSubmit?.();
  };
  return (
    <main className="gate">
      <div className="card gate-card">
        <span className="row"><img src={icon} alt="" width="34" height="34" /><b>{t.brand}</b></span>
        <div className="stack-s"><h1>{title}</h1>{lead ? <p className="muted">{lead}</p> : null}</div>
        <form className="form" onSubmit={submit}>{children}</form>
      </div>
    </main>
  );
}

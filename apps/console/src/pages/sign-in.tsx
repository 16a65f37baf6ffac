import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearch } from 'wouter';
import { call, keepCsrfToken, type ApiError } from '../api/client.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Button, Loading, Problem } from '../ui/parts.js';
import { GateCard } from './gate-card.js';

/** Only paths of this very site are gone to after signing in. */
const returnTo = (search: string): string => {
  const asked = new URLSearchParams(search).get('returnTo') ?? '/';
  return asked.startsWith('/') && !asked.startsWith('//') && !asked.includes('\\') ? asked : '/';
};

export function SignInPage() {
  const methods = useQuery({ queryKey: ['signInMethods'], queryFn: () => call('signInMethods', {}), retry: 2 });
  if (methods.error) return <GateCard title={t.signIn.title}><Problem error={methods.error} /></GateCard>;
  if (!methods.data) return <Loading />;
  return methods.data.firstUser ? <FirstUser /> : <SignIn oidc={methods.data.oidc} />;
}

function useEntering() {
  const client = useQueryClient();
  const [error, setError] = useState<ApiError | null>(null);
  const [pending, setPending] = useState(false);
  const enter = async (work: () => Promise<string>): Promise<void> => {
    setPending(true);
    setError(null);
    try {
      const to = await work();
      client.clear();
      window.location.assign(to);
    } catch (failure) {
      setError(failure as ApiError);
      setPending(false);
    }
  };
  return { error, pending, enter };
}

function SignIn({ oidc }: { oidc: { label: string; startUrl: string } | null }) {
  const search = useSearch();
  const { error, pending, enter } = useEntering();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const submit = (): void => void enter(async () => {
    await call('signIn', { email, password });
    return returnTo(search);
  });
  return (
    <GateCard title={t.signIn.title} lead={t.signIn.lead} onSubmit={submit}>
      <TextInput label={t.signIn.email} type="email" autoComplete="username" required value={email} onChange={setEmail} />
      <TextInput label={t.signIn.password} type="password" autoComplete="current-password" required value={password} onChange={setPassword} />
      <Problem error={error} />
      <Button type="submit" kind="primary" pending={pending}>{t.signIn.submit}</Button>
      {oidc ? <a className="button" href={`${oidc.startUrl}?returnTo=${encodeURIComponent(returnTo(search))}`}>{oidc.label}</a> : null}
      <p className="small muted">{t.signIn.forgotten}</p>
    </GateCard>
  );
}

/** Makes the first user with the token of the instance, which is used for this and then forgotten. */
function FirstUser() {
  const { error, pending, enter } = useEntering();
  const [form, setForm] = useState({ token: '', name: '', email: '', password: '', workspace: t.firstUser.workspaceName });
  const set = (key: keyof typeof form) => (value: string) => setForm((before) => ({ ...before, [key]: value }));
  const submit = (): void => void enter(async () => {
    const { email, name, password } = form;
    const token = form.token.trim();
    await call('createUser', { email, name, password, superadmin: true }, token);
    const session = await call('signIn', { email, password });
    keepCsrfToken(session.csrfToken);
    const workspace = await call('createWorkspace', { name: form.workspace });
    return `/w/${workspace.id}/start`;
  });
  return (
    <GateCard title={t.firstUser.title} lead={t.firstUser.lead} onSubmit={submit}>
      <TextInput label={t.firstUser.token} hint={t.firstUser.tokenHint} type="password" required value={form.token} onChange={set('token')} />
      <TextInput label={t.firstUser.name} autoComplete="name" required value={form.name} onChange={set('name')} />
      <TextInput label={t.signIn.email} type="email" autoComplete="username" required value={form.email} onChange={set('email')} />
      <TextInput label={t.signIn.password} hint={t.firstUser.passwordHint} type="password" autoComplete="new-password" required value={form.password} onChange={set('password')} />
      <TextInput label={t.firstUser.workspace} required value={form.workspace} onChange={set('workspace')} />
      <Problem error={error} />
      <Button type="submit" kind="primary" pending={pending}>{t.firstUser.submit}</Button>
    </GateCard>
  );
}

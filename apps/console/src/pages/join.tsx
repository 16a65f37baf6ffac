import { useState } from 'react';
import { call, keepCsrfToken, type ApiError } from '../api/client.js';
import { useSession } from '../api/session.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Button, Problem } from '../ui/parts.js';
import { GateCard } from './gate-card.js';

/** Takes an invitation, whose token stands behind the # of the link and so is in no log. */
export function JoinPage() {
  const session = useSession();
  const [token, setToken] = useState(() => decodeURIComponent(window.location.hash.slice(1)));
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<ApiError | null>(null);
  const [pending, setPending] = useState(false);
  const someone = session.data ?? null;
  const join = async (): Promise<void> => {
    setPending(true);
    try {
      if (someone) keepCsrfToken(someone.csrfToken);
      const { workspaceId } = await call('acceptInvitation', someone ? { token } : { token, name, password });
      window.location.assign(`/w/${workspaceId}`);
    } catch (failure) {
      setError(failure as ApiError);
      setPending(false);
    }
  };
  return (
    <GateCard title={t.join.title} lead={someone ? t.join.leadSignedIn(someone.user.email) : t.join.lead} onSubmit={() => void join()}>
      <TextInput label={t.join.token} type="password" required value={token} onChange={setToken} />
      {someone ? null : (
        <>
          <TextInput label={t.firstUser.name} autoComplete="name" required value={name} onChange={setName} />
          <TextInput label={t.signIn.password} hint={t.firstUser.passwordHint} type="password" autoComplete="new-password" required value={password} onChange={setPassword} />
        </>
      )}
      <Problem error={error} />
      <Button type="submit" kind="primary" pending={pending}>{t.join.submit}</Button>
    </GateCard>
  );
}

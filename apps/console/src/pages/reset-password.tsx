import { useState } from 'react';
import { call, type ApiError } from '../api/client.js';
import { t } from '../messages.js';
import { TextInput } from '../ui/fields.js';
import { Button, Problem } from '../ui/parts.js';
import { GateCard } from './gate-card.js';

/** Chooses a new password with the token that a superadmin gave out. */
export function ResetPasswordPage() {
  const [token, setToken] = useState(() => decodeURIComponent(window.location.hash.slice(1)));
  const [password, setPassword] = useState('');
  const [error, setError] = useState<ApiError | null>(null);
  const reset = (): void => {
    call('resetPassword', { token, password }).then(() => window.location.assign('/sign-in'), setError);
  };
  return (
    <GateCard title={t.reset.title} lead={t.reset.lead} onSubmit={reset}>
      <TextInput label={t.reset.token} type="password" required value={token} onChange={setToken} />
      <TextInput label={t.signIn.password} hint={t.firstUser.passwordHint} type="password" autoComplete="new-password" required value={password} onChange={setPassword} />
      <Problem error={error} />
      <Button type="submit" kind="primary">{t.reset.submit}</Button>
    </GateCard>
  );
}

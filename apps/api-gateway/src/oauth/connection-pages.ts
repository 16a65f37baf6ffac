import { ERRORS, type ConnectionView, type VaneError } from '@vane/contracts';
import { page } from './pages.js';

/** The page of a connection, for whoever may see it; `csrf` is the token of the session that looks. */
export const connectionPage = ({ service, accountLabel, name, status, reason, usable }: ConnectionView, { url, csrf }: { url: string; csrf: string }): string =>
  page(
    `${name ?? accountLabel} at ${service}`,
    [
      `Account: ${accountLabel}.`,
      STATUS_WORDS[status],
      ...(reason === null ? [] : [reason]),
      ...(usable ? [] : ['This connection is private to another member, who alone may authorise it anew.']),
    ],
    usable && status !== 'disconnecting' ? { fields: { csrf }, buttons: [{ label: 'Authorise the account anew', path: url }] } : undefined,
  );

const STATUS_WORDS: Record<ConnectionView['status'], string> = {
  active: 'The connection works.',
  auth_required: 'The connection does not work until the account is authorised anew. What arrives until then is kept.',
  disconnecting: 'The connection is being disconnected.',
};

/** The same for everybody who is not signed in, whether there is such a connection or not. */
export const signInPage = ({ url, oidc, problem }: { url: string; oidc: { label: string; url: string } | null; problem: string | null }): string =>
  page('Sign in to Vane', [...(problem === null ? [] : [problem]), 'After that you come to the page of the connection.'], {
    fields: {},
    inputs: [
      { label: 'E-mail', name: 'email', type: 'email', autocomplete: 'username' },
      { label: 'Password', name: 'password', type: 'password', autocomplete: 'current-password' },
    ],
    buttons: [{ label: 'Sign in', path: url }],
    links: oidc === null ? [] : [oidc],
  });

/** Why there is nothing to see or nothing was done. */
export const refusalPage = (error: VaneError, requestId: string): string =>
  page(ERRORS[error.code].title, [error.message, `Request ${requestId}, code ${error.code}.`]);

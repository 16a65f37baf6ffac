import { z } from 'zod';
import { defineOperation, WORKSPACE_ROLES } from './operation.js';
import { done, id, instant, label, page, pageQuery, ref, secretText, shownSecret, text } from './scalars.js';

/** An e-mail address that a caller gives; compared and stored in lower case. */
export const emailAddress = z.email().max(254).toLowerCase();

/** A password as it is checked. */
const password = secretText().min(1).max(200);

/** A password as it is chosen (NIST SP 800-63B section 3.1.1: length, and no rules of composition). */
export const newPassword = secretText().min(12).max(200);

const session = z
  .object({
    user: z.object({ id: id('user'), email: z.string(), name: label, superadmin: z.boolean() }),
    memberships: z.array(z.object({ workspace: id('workspace'), name: label, role: z.enum(WORKSPACE_ROLES) })),
    csrfToken: shownSecret().describe('Send this as x-csrf-token with everything but GET'),
    expiresAt: instant.describe('When the session ends unless it is used before'),
  })
  .meta({ id: 'Session' });
export type SessionView = z.infer<typeof session>;

/** What an operation replies that opens a session: the gateway puts the token into the cookie. */
export const openedSession = session.extend({ sessionToken: shownSecret().nullable() });

const ownSession = 'Names nobody but who is signed in, and no object of a workspace';

export const signIn = defineOperation({
  name: 'session.sign-in',
  owner: 'api-gateway',
  summary: 'Sign in with e-mail and password',
  access: 'public',
  http: { method: 'POST', path: '/session', status: 201, session: 'opens', guesses: 'email', isolationExempt: ownSession },
  input: z.object({ email: emailAddress, password, userAgent: text() }),
  output: openedSession,
});

export const signInMethods = defineOperation({
  name: 'session.methods',
  owner: 'api-gateway',
  summary: 'Read how people can sign in here',
  access: 'public',
  http: { method: 'GET', path: '/session/methods', isolationExempt: 'The same for everybody' },
  input: z.object({}),
  output: z
    .object({
      password: z.boolean(),
      firstUser: z.boolean().describe('There is no user yet: the first is made with the token of the instance'),
      oidc: z
        .object({ label: z.string(), startUrl: z.string().describe('Open it in the browser; `?returnTo=/path` says where to go afterwards') })
        .nullable()
        .describe("The operator's identity provider; null for none"),
    })
    .meta({ id: 'SignInMethods' }),
});

export const getSession = defineOperation({
  name: 'session.get',
  owner: 'api-gateway',
  summary: 'Read who is signed in, with which roles',
  access: 'user',
  http: { method: 'GET', path: '/session', isolationExempt: ownSession },
  input: z.object({}),
  output: session,
});

export const signOut = defineOperation({
  name: 'session.sign-out',
  owner: 'api-gateway',
  summary: 'Sign out: ends this session',
  access: 'user',
  http: { method: 'DELETE', path: '/session', session: 'closes', isolationExempt: ownSession },
  input: z.object({}),
  output: done,
});

export const listSessions = defineOperation({
  name: 'sessions.list',
  owner: 'api-gateway',
  summary: 'List the browsers you are signed in with',
  access: 'user',
  http: { method: 'GET', path: '/sessions', isolationExempt: ownSession },
  input: z.object({ ...pageQuery }),
  output: page(
    z
      .object({
        id: id('session'),
        userAgent: z.string(),
        current: z.boolean().describe('Whether it is the one that asks'),
        createdAt: instant,
        lastSeenAt: instant.describe('To the minute'),
        expiresAt: instant,
      })
      .meta({ id: 'SessionEntry' }),
  ),
});

export const revokeSession = defineOperation({
  name: 'sessions.revoke',
  owner: 'api-gateway',
  summary: 'End one of your sessions',
  access: 'user',
  http: { method: 'DELETE', path: '/sessions/{session}', isolationExempt: ownSession },
  input: z.object({ session: ref }),
  output: done,
});

export const changePassword = defineOperation({
  name: 'session.change-password',
  owner: 'api-gateway',
  summary: 'Change your password; ends your other sessions',
  access: 'user',
  http: { method: 'POST', path: '/session/password', takesPassword: true, guesses: 'self', isolationExempt: ownSession },
  input: z.object({ currentPassword: password, newPassword }),
  output: done,
});

export const resetPassword = defineOperation({
  name: 'session.reset-password',
  owner: 'api-gateway',
  summary: 'Choose a new password with the token that a superadmin gave you; ends all your sessions',
  access: 'public',
  http: { method: 'POST', path: '/session/reset-password', takesPassword: true, isolationExempt: ownSession },
  input: z.object({ token: secretText().min(1).max(200), password: newPassword }),
  output: done,
});

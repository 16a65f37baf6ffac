import { z } from 'zod';
import { defineOperation } from './operation.js';
import { emailAddress, newPassword } from './people.js';
import { id, ifMatch, instant, label, page, pageQuery, ref, shownSecret } from './scalars.js';

export const userView = z
  .object({
    id: id('user'),
    email: z.string(),
    name: label,
    superadmin: z.boolean(),
    hasPassword: z.boolean().describe('False for people who sign in elsewhere, or have not chosen one yet'),
    disabledAt: instant.nullable(),
    createdAt: instant,
    updatedAt: instant,
    version: z.number().int(),
  })
  .meta({ id: 'User' });
export type UserView = z.infer<typeof userView>;

const ofInstance = 'Users belong to the instance, and only superadmins see them';

export const createUser = defineOperation({
  name: 'users.create',
  owner: 'api-gateway',
  summary: 'Create a user; without a password, users.reset-password lets the person choose one',
  access: 'superadmin',
  http: { method: 'POST', path: '/users', status: 201, takesPassword: true, isolationExempt: ofInstance },
  input: z.object({ email: emailAddress, name: label, password: newPassword.optional(), superadmin: z.boolean().default(false) }),
  output: userView,
});

export const listUsers = defineOperation({
  name: 'users.list',
  owner: 'api-gateway',
  summary: 'List users',
  access: 'superadmin',
  http: { method: 'GET', path: '/users', isolationExempt: ofInstance },
  input: z.object({ ...pageQuery, email: emailAddress.optional() }),
  output: page(userView),
});

export const getUser = defineOperation({
  name: 'users.get',
  owner: 'api-gateway',
  summary: 'Read a user',
  access: 'superadmin',
  http: { method: 'GET', path: '/users/{user}', isolationExempt: ofInstance },
  input: z.object({ user: ref }),
  output: userView,
});

export const updateUser = defineOperation({
  name: 'users.update',
  owner: 'api-gateway',
  summary: 'Change a user; what is left out stays; who is no superadmin any more loses the tokens that need it',
  access: 'superadmin',
  http: { method: 'PATCH', path: '/users/{user}', ifMatch: true, isolationExempt: ofInstance },
  input: z.object({ user: ref, ifMatch, email: emailAddress.optional(), name: label.optional(), superadmin: z.boolean().optional() }),
  output: userView,
});

export const disableUser = defineOperation({
  name: 'users.disable',
  owner: 'api-gateway',
  summary: 'Disable a user: ends all sessions and revokes all API tokens of that person',
  access: 'superadmin',
  http: { method: 'POST', path: '/users/{user}/disable', isolationExempt: ofInstance },
  input: z.object({ user: ref }),
  output: userView,
});

export const enableUser = defineOperation({
  name: 'users.enable',
  owner: 'api-gateway',
  summary: 'Let a disabled user sign in again; sessions and tokens stay gone',
  access: 'superadmin',
  http: { method: 'POST', path: '/users/{user}/enable', isolationExempt: ofInstance },
  input: z.object({ user: ref }),
  output: userView,
});

export const resetUserPassword = defineOperation({
  name: 'users.reset-password',
  owner: 'api-gateway',
  summary: 'Let a user choose a new password: give the token to that person, who sends it to session.reset-password within 24 hours',
  access: 'superadmin',
  http: { method: 'POST', path: '/users/{user}/reset-password', status: 201, revealsSecret: ['token'], isolationExempt: ofInstance },
  input: z.object({ user: ref }),
  output: z.object({ token: shownSecret(), expiresAt: instant }).meta({ id: 'PasswordReset' }),
});

import type { Provider, Type } from '@nestjs/common';
import { Authenticator } from './authenticator.js';
import { Authoriser } from './authoriser.js';
import { GuessLimits } from './guess-limits.js';
import { Identities } from './identities.js';
import { Invitations } from './invitations.js';
import { Members } from './members.js';
import { PasswordController } from './password.controller.js';
import { Passwords } from './passwords.js';
import { SessionController } from './session.controller.js';
import { SessionCookie } from './session-cookie.js';
import { Sessions } from './sessions.js';
import { Tokens } from './tokens.js';
import { Users } from './users.js';
import { Workspaces } from './workspaces.js';

/** Handlers of the operations about people and what they may do. */
export const ACCESS_CONTROLLERS: Type[] = [Workspaces, Members, Invitations, Tokens, Users, SessionController, PasswordController];

/** What they and the routes need. `apiUrl` is the address under which browsers reach the gateway. */
export const accessProviders = (apiUrl: string): Provider[] => [
  Authenticator,
  Authoriser,
  GuessLimits,
  Identities,
  Passwords,
  Sessions,
  { provide: SessionCookie, useValue: new SessionCookie(apiUrl) },
];

import type { Provider, Type } from '@nestjs/common';
import { Authenticator } from './authenticator.js';
import { Authoriser } from './authoriser.js';
import { GuessLimits } from './guess-limits.js';
import { Identities } from './identities.js';
import { Passwords } from './passwords.js';
import { SessionController } from './session.controller.js';
import { SessionCookie } from './session-cookie.js';
import { Sessions } from './sessions.js';
import { Tokens } from './tokens.js';
import { Workspaces } from './workspaces.js';

/** Handlers of the operations about people and what they may do. */
export const ACCESS_CONTROLLERS: Type[] = [Workspaces, Tokens, SessionController];

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

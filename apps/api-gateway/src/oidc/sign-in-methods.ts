import { Controller, Inject, Optional } from '@nestjs/common';
import { signInMethods, type OutputOf } from '@vane/contracts';
import { Database } from '@vane/db';
import { Handles } from '@vane/runtime';
import { SessionCookie } from '../access/session-cookie.js';
import { IdentityProvider } from './identity-provider.js';
import { OIDC_START } from './routes.js';

/** Says how people can sign in here. */
@Controller()
export class SignInMethods {
  constructor(
    private readonly database: Database,
    private readonly cookie: SessionCookie,
    @Optional() @Inject(IdentityProvider) private readonly provider: IdentityProvider | null,
  ) {}

  @Handles(signInMethods)
  async list(): Promise<OutputOf<typeof signInMethods>> {
    const oidc = this.provider ? { label: this.provider.label, startUrl: this.cookie.origin + OIDC_START } : null;
    const { rowCount } = await this.database.pool.query('SELECT 1 FROM users LIMIT 1');
    return { password: true, firstUser: rowCount === 0, oidc };
  }
}

import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  authorizeConnection,
  createIntegration,
  deleteConnection,
  deleteIntegration,
  finishAuthorisation,
  getAccessToken,
  getConnection,
  getIntegration,
  listConnections,
  listIntegrations,
  refreshDueTokens,
  startAuthorisation,
  updateIntegration,
  type CallContext,
  type InputOf,
} from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { AuthorisationsService } from './authorisations.service.js';
import { ConnectionNotices } from './connection-notices.js';
import { ConnectionsService } from './connections.service.js';
import { IntegrationsService } from './integrations.service.js';
import { TokensService } from './tokens.service.js';

const OK = { ok: true } as const;
/** Told in one step, which must end well within the operation's deadline. */
const NOTICES = 40;

@Controller()
export class IntegrationsController {
  constructor(private readonly integrations: IntegrationsService) {}

  @Handles(createIntegration)
  create(input: InputOf<typeof createIntegration>) {
    return this.integrations.create(input);
  }

  @Handles(listIntegrations)
  list(input: InputOf<typeof listIntegrations>) {
    return this.integrations.list(input);
  }

  @Handles(getIntegration)
  get({ workspace, integration }: InputOf<typeof getIntegration>) {
    return this.integrations.get(workspace, integration);
  }

  @Handles(updateIntegration)
  update(input: InputOf<typeof updateIntegration>) {
    return this.integrations.update(input);
  }

  @Handles(deleteIntegration)
  async delete({ workspace, integration }: InputOf<typeof deleteIntegration>) {
    await this.integrations.delete(workspace, integration);
    return OK;
  }
}

@Controller()
export class AuthorisationsController {
  constructor(private readonly authorisations: AuthorisationsService) {}

  @Handles(authorizeConnection)
  authorise(@Payload() input: InputOf<typeof authorizeConnection>, @Ctx() call: CallContext) {
    return this.authorisations.authorise(input, call);
  }

  @Handles(startAuthorisation)
  start({ ticket }: InputOf<typeof startAuthorisation>) {
    return this.authorisations.start(ticket);
  }

  @Handles(finishAuthorisation)
  finish({ query, browserToken }: InputOf<typeof finishAuthorisation>) {
    return this.authorisations.finish(query, browserToken);
  }
}

@Controller()
export class ConnectionsController {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly tokens: TokensService,
    private readonly authorisations: AuthorisationsService,
    private readonly notices: ConnectionNotices,
  ) {}

  @Handles(listConnections)
  list(input: InputOf<typeof listConnections>) {
    return this.connections.list(input);
  }

  @Handles(getConnection)
  get({ workspace, connection }: InputOf<typeof getConnection>) {
    return this.connections.get(workspace, connection);
  }

  @Handles(deleteConnection)
  async delete(@Payload() { workspace, connection }: InputOf<typeof deleteConnection>, @Ctx() call: CallContext) {
    await this.connections.delete(workspace, connection, call);
    return OK;
  }

  @Handles(getAccessToken)
  token(input: InputOf<typeof getAccessToken>) {
    return this.tokens.current(input);
  }

  @Handles(refreshDueTokens)
  async refreshDue(input: InputOf<typeof refreshDueTokens>) {
    await this.authorisations.sweep();
    await this.notices.tellDue(NOTICES);
    return this.tokens.refreshDue(input);
  }
}

import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  attributeAuthorisation,
  authorizeConnection,
  confirmAuthorisation,
  deleteConnection,
  describeAuthorisation,
  discardAuthorisation,
  finishDisconnections,
  finishAuthorisation,
  getAccessToken,
  getConnection,
  listConnections,
  planDisconnection,
  reconnectConnection,
  refreshDueTokens,
  startAuthorisation,
  updateConnection,
  type CallContext,
  type InputOf,
} from '@vane/contracts';
import { Handles } from '@vane/runtime';
import { AccountChanges } from './account-changes.js';
import { AuthorisationAnswers } from './authorisation-answers.js';
import { AuthorisationsService } from './authorisations.service.js';
import { ConnectionNotices } from './connection-notices.js';
import { ConnectionsService } from './connections.service.js';
import { DisconnectionsService } from './disconnections.service.js';
import { TokensService } from './tokens.service.js';

const OK = { ok: true } as const;
/** Told in one step, which must end well within the operation's deadline. */
const NOTICES = 40;

@Controller()
export class AuthorisationsController {
  constructor(
    private readonly authorisations: AuthorisationsService,
    private readonly answers: AuthorisationAnswers,
  ) {}

  @Handles(authorizeConnection)
  authorise(@Payload() input: InputOf<typeof authorizeConnection>, @Ctx() call: CallContext) {
    return this.authorisations.authorise(input, call);
  }

  @Handles(reconnectConnection)
  reconnect(@Payload() input: InputOf<typeof reconnectConnection>, @Ctx() call: CallContext) {
    return this.authorisations.reconnect(input, call);
  }

  @Handles(describeAuthorisation)
  describe({ ticket }: InputOf<typeof describeAuthorisation>) {
    return this.authorisations.describe(ticket);
  }

  @Handles(startAuthorisation)
  start({ ticket }: InputOf<typeof startAuthorisation>) {
    return this.authorisations.start(ticket);
  }

  @Handles(finishAuthorisation)
  finish(@Payload() { query, browserToken }: InputOf<typeof finishAuthorisation>, @Ctx() call: CallContext) {
    return this.answers.finish(query, browserToken, call);
  }

  @Handles(attributeAuthorisation)
  attribute({ state }: InputOf<typeof attributeAuthorisation>) {
    return this.authorisations.attribute(state);
  }

  @Handles(confirmAuthorisation)
  confirm({ state, browserToken }: InputOf<typeof confirmAuthorisation>) {
    return this.answers.confirm(state, browserToken);
  }

  @Handles(discardAuthorisation)
  async discard({ state, browserToken }: InputOf<typeof discardAuthorisation>) {
    await this.answers.discard(state, browserToken);
    return OK;
  }
}

@Controller()
export class ConnectionsController {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly disconnections: DisconnectionsService,
    private readonly tokens: TokensService,
    private readonly authorisations: AuthorisationsService,
    private readonly notices: ConnectionNotices,
    private readonly answers: AuthorisationAnswers,
    private readonly changes: AccountChanges,
  ) {}

  @Handles(listConnections)
  list(@Payload() input: InputOf<typeof listConnections>, @Ctx() call: CallContext) {
    return this.connections.list(input, call);
  }

  @Handles(getConnection)
  get(@Payload() { workspace, connection }: InputOf<typeof getConnection>, @Ctx() call: CallContext) {
    return this.connections.get(workspace, connection, call);
  }

  @Handles(updateConnection)
  update(@Payload() input: InputOf<typeof updateConnection>, @Ctx() call: CallContext) {
    return this.connections.update(input, call);
  }

  @Handles(planDisconnection)
  disconnectionPlan(@Payload() input: InputOf<typeof planDisconnection>, @Ctx() call: CallContext) {
    return this.disconnections.plan(input, call);
  }

  @Handles(deleteConnection)
  delete(@Payload() input: InputOf<typeof deleteConnection>, @Ctx() call: CallContext) {
    return this.disconnections.disconnect(input, call);
  }

  @Handles(finishDisconnections)
  finishDisconnections(input: InputOf<typeof finishDisconnections>) {
    return this.disconnections.finishDue(input);
  }

  @Handles(getAccessToken)
  token(input: InputOf<typeof getAccessToken>) {
    return this.tokens.current(input);
  }

  @Handles(refreshDueTokens)
  async refreshDue(input: InputOf<typeof refreshDueTokens>) {
    await Promise.all([this.authorisations.sweep(), this.answers.sweep()]);
    await this.notices.tellDue(NOTICES);
    const [refreshed] = await Promise.all([this.tokens.refreshDue(input), this.changes.due()]);
    return refreshed;
  }
}

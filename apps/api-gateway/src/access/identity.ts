import type { Actor, Role } from '@vane/contracts';

/**
 * Who a request comes from: a person with a session (`actorId` is the user's) or an API token (`actorId` is the token's).
 * `superadmin` holds for the whole instance; `roles` has one workspace for a token, and the memberships of a person.
 */
export type Identity = {
  kind: 'user' | 'token';
  actorId: string;
  userId: string | null;
  label: string;
  superadmin: boolean;
  roles: ReadonlyMap<string, Role>;
  /** Of a token; a person has them all. */
  scopes: readonly string[];
  /** Of a person. */
  sessionId?: string;
};

/** Whoever asks what anybody may ask without saying who they are. */
export const ANONYMOUS: Actor = { kind: 'anonymous', id: 'anonymous', role: 'operator', userId: null, label: 'anonymous' };

/** An identity as it travels to the owner of an operation, with the role it has where it asks. */
export const actorOf = ({ kind, actorId: id, userId, label, sessionId }: Identity, role: Role): Actor => ({
  kind, id, role, userId, label, ...(sessionId === undefined ? {} : { sessionId }),
});

import { ROLES, type Role } from '@vane/contracts';

/** Who a request comes from. `workspaceId` is null for tokens of the instance, which are superadmins. */
export type Identity = { actorId: string; workspaceId: string | null; role: Role; userId: string | null; label: string };

/** True when `role` may do what `needed` may do. */
export const atLeast = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import type { Role, SessionView } from '@vane/contracts';
import { ROLES } from 'virtual:contracts';
import { ApiError, call, keepCsrfToken } from './client.js';

export const SESSION_KEY = ['getSession'];

/** Who is signed in in this browser; null for nobody. */
export function useSession() {
  return useQuery<SessionView | null, ApiError>({
    queryKey: SESSION_KEY,
    queryFn: async () => {
      try {
        const session = await call('getSession', {});
        keepCsrfToken(session.csrfToken);
        return session;
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 30_000,
    retry: 1,
  });
}

/** Signs out and forgets everything that was shown. */
export function useSignOut(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await call('signOut', {});
    keepCsrfToken(undefined);
    client.clear();
    window.location.assign('/sign-in');
  };
}

export const RoleContext = createContext<Role>('operator');

/** Whether whoever is signed in may do here what `needed` may do. The server decides; this only hides what it would refuse. */
export function useMay(needed: Role): boolean {
  return ROLES.indexOf(useContext(RoleContext)) >= ROLES.indexOf(needed);
}

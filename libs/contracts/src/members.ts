import { z } from 'zod';
import { defineOperation, WORKSPACE_ROLES } from './operation.js';
import { emailAddress, newPassword, openedSession } from './people.js';
import { done, id, ifMatch, instant, label, page, pageQuery, ref, secretText, shownSecret, text } from './scalars.js';

const role = z.enum(WORKSPACE_ROLES);

export const memberView = z
  .object({
    userId: id('user'),
    email: z.string(),
    name: label,
    role,
    disabled: z.boolean().describe('Disabled for the whole instance'),
    createdAt: instant.describe('Since when the person is a member'),
    version: z.number().int(),
  })
  .meta({ id: 'Member' });
export type MemberView = z.infer<typeof memberView>;

export const listMembers = defineOperation({
  name: 'members.list',
  owner: 'api-gateway',
  summary: 'List the members of a workspace',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/members' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(memberView),
});

export const getMember = defineOperation({
  name: 'members.get',
  owner: 'api-gateway',
  summary: 'Read a member of a workspace',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/members/{user}' },
  input: z.object({ workspace: ref, user: ref }),
  output: memberView,
});

export const updateMember = defineOperation({
  name: 'members.update',
  owner: 'api-gateway',
  summary: 'Change the role of a member; a weaker one revokes the tokens here that the person made with a stronger one',
  access: 'admin',
  http: { method: 'PATCH', path: '/workspaces/{workspace}/members/{user}', ifMatch: true },
  input: z.object({ workspace: ref, user: ref, ifMatch, role }),
  output: memberView,
});

export const removeMember = defineOperation({
  name: 'members.remove',
  owner: 'api-gateway',
  summary: 'Remove a member, and revoke the tokens of this workspace that the person made',
  access: 'admin',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/members/{user}' },
  input: z.object({ workspace: ref, user: ref }),
  output: done,
});

export const invitationView = z
  .object({
    id: id('invitation'),
    email: z.string(),
    role,
    invitedBy: z.string(),
    createdAt: instant,
    expiresAt: instant,
    acceptedAt: instant.nullable(),
  })
  .meta({ id: 'Invitation' });
export type InvitationView = z.infer<typeof invitationView>;

export const createInvitation = defineOperation({
  name: 'invitations.create',
  owner: 'api-gateway',
  summary: 'Invite somebody for seven days: give the token to that person; an earlier open invitation of the address ends',
  access: 'admin',
  http: { method: 'POST', path: '/workspaces/{workspace}/invitations', status: 201, revealsSecret: ['token'] },
  input: z.object({ workspace: ref, email: emailAddress, role }),
  output: invitationView.extend({ token: shownSecret() }).meta({ id: 'CreatedInvitation' }),
});

export const listInvitations = defineOperation({
  name: 'invitations.list',
  owner: 'api-gateway',
  summary: 'List the invitations to a workspace',
  access: 'admin',
  http: { method: 'GET', path: '/workspaces/{workspace}/invitations' },
  input: z.object({ workspace: ref, ...pageQuery }),
  output: page(invitationView),
});

export const revokeInvitation = defineOperation({
  name: 'invitations.revoke',
  owner: 'api-gateway',
  summary: 'Revoke an invitation that was not accepted',
  access: 'admin',
  http: { method: 'DELETE', path: '/workspaces/{workspace}/invitations/{invitation}' },
  input: z.object({ workspace: ref, invitation: ref }),
  output: done,
});

export const acceptInvitation = defineOperation({
  name: 'invitations.accept',
  owner: 'api-gateway',
  summary: 'Accept an invitation: as a new user with name and password, which opens a session, or signed in with its address',
  access: 'public',
  http: {
    method: 'POST', path: '/invitations/accept', status: 201, session: 'opens', takesPassword: true,
    isolationExempt: 'The token of the invitation is the proof, and names its workspace',
  },
  input: z.object({ token: secretText().min(1).max(200), name: label.optional(), password: newPassword.optional(), userAgent: text() }),
  output: openedSession.extend({ workspaceId: id('workspace').describe('The workspace that was joined') }),
});

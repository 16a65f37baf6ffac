/** What people open to see a trigger: below the URL of the gateway; null where that is not set. */
export const triggerLink = (apiUrl: string | undefined, workspaceId: string, triggerId: string | undefined): string | null =>
  apiUrl === undefined || triggerId === undefined ? null : `${apiUrl}/api/v1/workspaces/${workspaceId}/triggers/${triggerId}`;

/** The beginning of a text, without half a character at its end, which no notification may hold. */
export const cut = (text: string, length: number): string => text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');

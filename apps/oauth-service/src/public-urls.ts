/** Where browsers reach Vane during an authorisation; the redirect URI is the same for every integration. */
export class PublicUrls {
  readonly redirectUri: string;

  /** @param apiUrl the gateway as browsers see it, without trailing slash */
  constructor(private readonly apiUrl: string) {
    this.redirectUri = `${apiUrl}/oauth/callback`;
  }

  startUrl(ticket: string): string {
    return `${this.apiUrl}/oauth/start/${ticket}`;
  }

  /** The gateway's page of a connection, for people who are signed in. */
  connectionPage(workspace: string, connection: string): string {
    return `${this.apiUrl}/workspaces/${workspace}/connections/${connection}`;
  }

  /** What a program posts to for a URL under which the connection is authorised anew. */
  reconnect(workspace: string, connection: string): string {
    return `${this.apiUrl}/api/v1/workspaces/${workspace}/connections/${connection}/reconnect`;
  }
}

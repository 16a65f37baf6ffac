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
}

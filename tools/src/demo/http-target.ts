import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

export type VerifiedCall = { id: string; type: string };

/** A program of the user's that Vane calls: it believes only what the stock Standard Webhooks library verifies. */
export type HttpTarget = { url: string; setSecret(secret: string): void; verified: VerifiedCall[]; refused: string[]; close(): Promise<void> };

export async function startHttpTarget(port: number): Promise<HttpTarget> {
  let webhook: Webhook | undefined;
  const verified: VerifiedCall[] = [];
  const refused: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      try {
        const body = webhook?.verify(Buffer.concat(chunks), request.headers as Record<string, string>) as { type: string } | undefined;
        if (!body) throw new Error('the target has no secret yet');
        verified.push({ id: String(request.headers['webhook-id']), type: body.type });
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"received":true}');
      } catch (error) {
        refused.push(error instanceof Error ? error.message : String(error));
        response.writeHead(401).end();
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${port}/hook`,
    setSecret: (secret) => { webhook = new Webhook(secret); },
    verified,
    refused,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

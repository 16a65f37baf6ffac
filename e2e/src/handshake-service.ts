import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

type Channel = { id: string; url: string; topic: string; secret: string };
type Answer = { status: number; json?: unknown };

export type HandshakeService = {
  url: string;
  channels: Channel[];
  /** Challenges sent while a registration was under way, with what came back. */
  challenges: { status: number; echoed: boolean }[];
  /** The Authorization headers it was called with. */
  callers: string[];
  /** Whether a URL that has answered the challenge is refused all the same. */
  refusing: { challenged: boolean };
  /** What was to be registered, whatever was answered. */
  offered: Pick<Channel, 'url' | 'secret'>[];
  /** Posts a message to every channel of a topic, and returns the statuses. */
  publish(topic: string, message: unknown): Promise<number[]>;
  close(): Promise<void>;
};

/** The service of the handshake probe: it registers only a URL that answers its challenge, and only for who `mayCall`. */
export async function startHandshakeService(mayCall: (authorization: string) => Promise<boolean>): Promise<HandshakeService> {
  const channels: Channel[] = [];
  const challenges: HandshakeService['challenges'] = [];
  const callers: string[] = [];
  const refusing = { challenged: false };
  const offered: HandshakeService['offered'] = [];

  const challenge = async (url: string): Promise<boolean> => {
    const text = randomBytes(16).toString('hex');
    const answer = await fetch(url, { method: 'POST', headers: { 'x-probe-challenge': text } });
    const echoed = (await answer.text()) === text;
    challenges.push({ status: answer.status, echoed });
    return answer.status === 200 && echoed;
  };
  const store = async (id: string, wanted: Omit<Channel, 'id'>): Promise<Answer> => {
    offered.push(wanted);
    if (!(await challenge(wanted.url))) return { status: 400, json: { message: 'The URL did not answer the challenge.' } };
    if (refusing.challenged) return { status: 403, json: { message: 'This URL is refused.' } };
    const made = { ...wanted, id };
    channels.splice(0, channels.length, ...channels.filter((one) => one.id !== id), made);
    return { status: 200, json: made };
  };
  const route = async (request: IncomingMessage): Promise<Answer> => {
    const authorization = request.headers.authorization ?? '';
    callers.push(authorization);
    if (!(await mayCall(authorization))) return { status: 401, json: {} };
    const id = /^\/channels\/(\w+)$/.exec(request.url ?? '')?.[1];
    if (id === undefined) {
      if (request.method === 'GET') return { status: 200, json: channels };
      return store(randomBytes(6).toString('hex'), await bodyOf(request));
    }
    const found = channels.find((one) => one.id === id);
    if (!found) return { status: 404, json: {} };
    if (request.method === 'PUT') return store(id, await bodyOf(request));
    if (request.method === 'DELETE') channels.splice(channels.indexOf(found), 1);
    return { status: 200, json: found };
  };

  const server = createServer((request, response) => {
    void route(request).then(({ status, json }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    channels,
    challenges,
    callers,
    refusing,
    offered,
    publish: (topic, message) =>
      Promise.all(
        channels
          .filter((one) => one.topic === topic)
          .map(async ({ url, secret }) => (await fetch(url, { method: 'POST', headers: { 'x-probe-secret': secret }, body: JSON.stringify(message) })).status),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Channel> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Channel;
}

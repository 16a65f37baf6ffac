import { createServer } from 'node:net';
import { Problem } from './problem.mjs';

/** @type {import('./index.mjs').Ports} */
export const defaultPorts = {
  'api-gateway': 3000, 'webhook-ingress': 3001, 'oauth-service': 3002,
  'trigger-service': 3003, 'sync-worker': 3004, 'run-worker': 3005,
};

/** @param {string} app */
export function variableSuffix(app) {
  return app.toUpperCase().replaceAll('-', '_');
}

/** @param {number} port 0 for any @param {string} [host] @returns {Promise<number | undefined>} the port, or undefined when it is taken */
function tryListen(port, host) {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(undefined));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

/** @param {number} port */
export async function isPortFree(port) {
  return (await tryListen(port, '127.0.0.1')) !== undefined && (await tryListen(port)) !== undefined;
}

/** Ports handed out by this process and not bound yet by those who asked. @type {Set<number>} */
const handedOut = new Set();

export async function freePort() {
  for (;;) {
    const port = await tryListen(0, '127.0.0.1');
    if (port === undefined) throw new Problem('No free TCP port on 127.0.0.1: stop some programs and try again.');
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    return port;
  }
}

/** @param {import('./index.mjs').Environment} [env] */
export async function choosePorts(env = process.env) {
  const ports = { ...defaultPorts };
  for (const app of /** @type {import('./index.mjs').AppName[]} */ (Object.keys(defaultPorts))) {
    const variable = `VANE_PORT_${variableSuffix(app)}`;
    const given = env[variable];
    if (!given && env.VANE_PORTS === 'free') {
      ports[app] = await freePort();
      continue;
    }
    const port = given ? Number(given) : defaultPorts[app];
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new Problem(`${variable} is "${given}", which is no port: give a number from 1 to 65535.`);
    }
    if (!(await isPortFree(port))) {
      throw new Problem(`Port ${port}, where ${app} would listen, is taken by another program: stop that program, `
        + `or choose another port with ${variable}, or let Vane pick free ports with VANE_PORTS=free.`);
    }
    ports[app] = port;
  }
  return ports;
}

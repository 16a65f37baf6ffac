import {
  APPS, attributeAuthorisation, confirmAuthorisation, connectionChanged, describeAuthorisation, discardAuthorisation, doWork, finishAuthorisation, getAccessToken, getConnection, getConnectionUses,
  OPERATIONS, postNotification, reapplySubscriptions, releaseConnection, SCHEDULES, startAuthorisation, subscriptionChanged, type AppName, type Operation, type Signal,
} from '@vane/contracts';
import { deliveryStream, operationSubject, signalSubject } from '@vane/runtime';

type Needs = { asks: readonly Operation[]; tells: readonly Signal[]; hears: readonly Signal[]; jetstream: 'writes' | 'reads' | 'no' };
export type Permissions = { publish: string[]; subscribe: string[] };

const scheduled = SCHEDULES.map(({ name }) => {
  const operation = OPERATIONS.find((one) => one.name === name);
  if (!operation) throw new Error(`SCHEDULES names ${name}, which is no operation.`);
  return operation;
});

/**
 * What each app does on the bus besides answering for the operations it owns. An app that asks something new is refused
 * by NATS until it is entered here.
 */
const NEEDS: Record<AppName, Needs> = {
  'api-gateway': {
    asks: [
      ...OPERATIONS.filter((operation) => operation.http !== undefined && operation.http.csvOf === undefined),
      attributeAuthorisation, describeAuthorisation, startAuthorisation, finishAuthorisation, confirmAuthorisation, discardAuthorisation,
    ],
    tells: [], hears: [], jetstream: 'no',
  },
  'oauth-service': { asks: [getConnectionUses, reapplySubscriptions, releaseConnection, postNotification], tells: [connectionChanged], hears: [], jetstream: 'no' },
  'trigger-service': { asks: [getAccessToken, getConnection, postNotification], tells: [subscriptionChanged], hears: [connectionChanged], jetstream: 'reads' },
  'webhook-ingress': { asks: [], tells: [], hears: [subscriptionChanged], jetstream: 'writes' },
  'sync-worker': { asks: [...scheduled, doWork], tells: [], hears: [], jetstream: 'no' },
  'run-worker': { asks: [], tells: [], hears: [connectionChanged], jetstream: 'no' },
};

/**
 * Both ends of the deliveries make sure that the stream and its consumers are there. Only the reader may take messages
 * from them: the JetStream API is NATS subjects (https://docs.nats.io/reference/reference-protocols/nats_api_reference).
 */
function jetstreamSubjects(prefix: string, use: Needs['jetstream']): string[] {
  if (use === 'no') return [];
  const stream = deliveryStream(prefix);
  const api = (verb: string) => `$JS.API.${verb}.${stream}`;
  const ensure = ['$JS.API.INFO', api('STREAM.INFO'), api('STREAM.CREATE'), `${api('CONSUMER.INFO')}.*`, `${api('CONSUMER.CREATE')}.>`, `${api('CONSUMER.DURABLE.CREATE')}.*`];
  return [
    ...ensure,
    ...(use === 'reads' ? [`${api('CONSUMER.MSG.NEXT')}.*`, `${api('CONSUMER.DELETE')}.*`, api('STREAM.MSG.GET'), `$JS.ACK.${stream}.>`] : [`${prefix}.deliveries.>`]),
  ];
}

/** The subjects an app may publish and subscribe. Replies to whoever asked it are allowed apart from these. */
export function permissionsOf(app: AppName, prefix: string): Permissions {
  const { asks, tells, hears, jetstream } = NEEDS[app];
  const asked = asks.map((operation) => operationSubject(prefix, operation));
  return {
    publish: [...new Set(asked), ...tells.map((signal) => signalSubject(prefix, signal)), ...jetstreamSubjects(prefix, jetstream)].sort(),
    subscribe: [`_INBOX_${app}.>`, `${prefix}.rpc.${app}.>`, ...hears.map((signal) => signalSubject(prefix, signal))],
  };
}

/** The variable that holds an app's password on the bus. */
export const passwordVariable = (app: AppName) => `VANE_NATS_PASSWORD_${app.toUpperCase().replaceAll('-', '_')}`;

const list = (subjects: string[]) => (subjects.length === 0 ? '[]' : `[\n${subjects.map((subject) => `          "${subject}"\n`).join('')}        ]`);

function userBlock(app: AppName, prefix: string): string {
  const { publish, subscribe } = permissionsOf(app, prefix);
  // An empty list of allowed subjects would allow all.
  const publishing = publish.length === 0 ? '{ deny: ">" }' : `{ allow: ${list(publish)} }`;
  return `    {
      user: "${app}"
      password: $${passwordVariable(app)}
      permissions: {
        publish: ${publishing}
        subscribe: { allow: ${list(subscribe)} }
        # To answer: once, to whoever asked.
        allow_responses: { max: 1, expires: "2m" }
      }
    }
`;
}

/** The configuration of the NATS server: one user per app, passwords from its environment. */
export function natsConfiguration(prefix = 'vane'): string {
  return `# Made by "npm run gen" from the operations and signals in libs/contracts: change tools/src/gen/bus-permissions.ts.
# Passwords come from the environment. They start with a letter: NATS reads what looks like a number as one.
port: 4222
http_port: 8222
max_payload: 1MB

jetstream {
  store_dir: "/data"
}

authorization {
  users: [
${APPS.map((app) => userBlock(app, prefix)).join('')}  ]
}
`;
}

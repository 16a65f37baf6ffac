import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * What an address turned out to be. `ok`: the server we want, ready for us. `present`: it speaks the protocol but does
 * not serve us (`reason` says why). Neither: nothing there, or something else.
 * @typedef {{ ok: boolean, present: boolean, reason: string }} Probe
 * @typedef {{ host: string, port: number, tls?: boolean, timeoutMs?: number }} Address
 */

/** @type {Probe} */
const fine = { ok: true, present: true, reason: '' };
/** @param {string} reason @returns {Probe} */
const refused = (reason) => ({ ok: false, present: true, reason });
/** @param {string} reason @returns {Probe} */
const absent = (reason) => ({ ok: false, present: false, reason });

/**
 * Connects, says `hello`, and reads until `judge` has an opinion, the peer closes or time is up.
 * @param {Address} address @param {Buffer | string} hello @param {(received: Buffer) => Probe | undefined} judge
 * @returns {Promise<Probe>}
 */
function converse({ host, port, tls, timeoutMs = 2_000 }, hello, judge) {
  return new Promise((done) => {
    let received = Buffer.alloc(0);
    const socket = tls ? connectTls({ host, port, servername: host }) : connect({ host, port });
    const finish = (/** @type {Probe} */ probe) => { socket.destroy(); clearTimeout(timer); done(probe); };
    const timer = setTimeout(() => finish(absent(received.length ? 'what answers there speaks another protocol' : 'it does not answer')), timeoutMs);
    socket.on(tls ? 'secureConnect' : 'connect', () => { if (hello.length) socket.write(hello); });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const probe = judge(received);
      if (probe) finish(probe);
    });
    socket.on('error', (error) => finish(absent(`the connection fails (${/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message})`)));
    socket.on('close', () => finish(absent('what answers there speaks another protocol')));
  });
}

/** @param {Buffer} message the body of an ErrorResponse */
function postgresError(message) {
  const fields = Object.fromEntries(message.toString('utf8').split('\0').filter(Boolean).map((field) => [field[0], field.slice(1)]));
  return { code: fields.C ?? '', text: fields.M ?? 'an error without text' };
}

/** @param {Buffer} received @returns {Probe | undefined} */
function judgePostgres(received) {
  let offset = 0;
  while (received.length >= offset + 5) {
    const type = String.fromCharCode(received[offset] ?? 0);
    const length = received.readUInt32BE(offset + 1);
    if (!'RESKZN'.includes(type) || length < 4 || length > 100_000) return absent('what answers there is not Postgres');
    if (received.length < offset + 1 + length) return undefined;
    const body = received.subarray(offset + 5, offset + 1 + length);
    offset += 1 + length;
    if (type === 'R' && body.readUInt32BE(0) !== 0) return refused('it wants a password');
    if (type === 'E') return refused(`it says: ${postgresError(body).text}`);
    if (type === 'Z') return fine;
    if (type === 'S') {
      const [name, value = ''] = body.toString('utf8').split('\0');
      if (name === 'server_version' && Number.parseInt(value, 10) < 15) return refused(`it is Postgres ${value}, and Vane needs 15 or later`);
    }
  }
  return undefined;
}

/**
 * Asks for a session without a password (https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3).
 * @param {Address & { user?: string, database?: string }} target
 */
export function probePostgres({ user = 'postgres', database = 'postgres', ...address }) {
  const words = Buffer.from(`user\0${user}\0database\0${database}\0application_name\0vane\0\0`, 'utf8');
  const hello = Buffer.alloc(8 + words.length);
  hello.writeUInt32BE(hello.length, 0);
  hello.writeUInt32BE(196_608, 4); // protocol 3.0
  words.copy(hello, 8);
  return converse(address, hello, judgePostgres);
}

/** PING, after AUTH where the address has credentials. @param {Address & { user?: string, password?: string }} target */
export function probeRedis({ user, password, ...address }) {
  const words = (/** @type {string[]} */ parts) => `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
  const auth = password ? words(['AUTH', ...(user ? [user] : []), password]) : '';
  return converse(address, auth + words(['PING']), (received) => {
    const lines = received.toString('latin1').split('\r\n').slice(0, -1);
    for (const line of lines) {
      if (line === '+PONG') return fine;
      if (/^-(NOAUTH|WRONGPASS|NOPERM|ERR .*AUTH)/i.test(line)) return refused(password ? 'it refuses the password' : 'it wants a password');
      if (line.startsWith('-')) return refused(`it says: ${line.slice(1)}`);
      if (line !== '+OK') return absent('what answers there is not Redis');
    }
    return undefined;
  });
}

/** Reads the INFO line that a NATS server sends first. @param {Address} address */
export function probeNats(address) {
  return converse({ ...address, tls: false }, '', (received) => {
    const text = received.toString('utf8');
    if (!'INFO '.startsWith(text.slice(0, 5))) return absent('what answers there is not NATS');
    const end = text.indexOf('\r\n');
    if (end < 0) return undefined;
    try {
      const info = JSON.parse(text.slice(5, end));
      return info.jetstream === true ? fine : refused('its JetStream is off: start nats-server with -js');
    } catch {
      return absent('what answers there is not NATS');
    }
  });
}

import { nowOf } from './state.js';
import type { State, User } from './state.js';
import { basicCredentials, escapeMarkup, json } from './wire.js';
import type { Answer, Request } from './wire.js';

const element = (name: string, content: string) => `<${name}>${content}</${name}>`;

function xml(value: unknown): string {
  if (value === null || value === undefined || value === false) return '';
  if (value === true) return '1';
  if (Array.isArray(value)) return value.map((item) => element('element', xml(item))).join('');
  if (typeof value === 'object') return Object.entries(value).map(([name, item]) => element(/^\d/.test(name) ? 'element' : name, xml(item))).join('');
  return escapeMarkup(String(value));
}

/** XML unless JSON is asked for by `format` or by Accept; `*` accepts do not ask. */
export function wantsJson(request: Request): boolean {
  const format = request.query.get('format');
  return format === null ? (request.headers.accept ?? '').includes('application/json') : format === 'json';
}

/** An OCS v2 envelope. `statuscode` differs from the HTTP status only for 997 (not signed in) and 998 (no such route). */
export function ocs(request: Request, status: number, data: unknown, message = 'OK', statuscode = status): Answer {
  const meta = { status: status < 300 ? 'ok' : 'failure', statuscode, message };
  if (wantsJson(request)) return json(status, { ocs: { meta, data } });
  const body = `<?xml version="1.0"?>\n${element('ocs', element('meta', xml(meta)) + element('data', xml(data)))}\n`;
  return { status, headers: { 'content-type': 'application/xml; charset=utf-8' }, body };
}

/** Not signed in, or a dead token. */
export const unauthorised = (request: Request): Answer => ocs(request, 401, [], 'Current user is not logged in', 997);

/** A route no enabled app knows. */
export const unknownRoute = (request: Request): Answer => ocs(request, 404, [], 'Invalid query, please check the syntax. API specifications are here: http://www.freedesktop.org/wiki/Specifications/open-collaboration-services.', 998);

function bearerUid(state: State, token: string): string | null {
  const now = nowOf(state).getTime();
  for (const grant of state.grants.values()) if (grant.accessToken === token) return grant.expiresAt > now ? grant.uid : null;
  const account = state.accountTokens.get(token);
  return account && account.expiresAt > now ? account.uid : null;
}

/** Who is calling, or the answer that refuses the call. Basic (also with an account token as password) needs `OCS-APIRequest`. */
export function authenticate(state: State, request: Request): User | Answer {
  const header = request.headers.authorization;
  const bearer = /^bearer\s+(\S+)$/i.exec(header ?? '')?.[1];
  const basic = basicCredentials(header);
  let uid: string | null = null;
  if (bearer !== undefined) uid = bearerUid(state, bearer);
  else if (basic) {
    const right = state.users.some((user) => user.uid === basic.user && user.password === basic.password);
    uid = right || bearerUid(state, basic.password) === basic.user ? basic.user : null;
  }
  const user = state.users.find((candidate) => candidate.uid === uid);
  if (!user) return unauthorised(request);
  if (bearer === undefined && request.headers['ocs-apirequest'] !== 'true') return json(412, { message: 'CSRF check failed' });
  return user;
}

/** `GET /ocs/v2.php/cloud/user`. */
export function identity(request: Request, user: User): Answer {
  return ocs(request, 200, {
    enabled: true,
    id: user.uid,
    quota: { free: 1_000_000_000, used: 1000, total: 1_000_001_000, relative: 0, quota: -3 },
    email: `${user.uid}@example.test`,
    displayname: user.displayName,
    'display-name': user.displayName,
    groups: user.admin ? ['admin'] : [],
    language: 'en',
    locale: '',
    backend: 'Database',
  });
}

const version = { major: 33, minor: 0, micro: 3, string: '33.0.3', edition: '', extendedSupport: false };

/** `GET /ocs/v2.php/cloud/capabilities`, also without signing in. */
export const capabilities = (request: Request): Answer => ocs(request, 200, { version, capabilities: {} });

/** `GET /status.php`. */
export function statusPage(): Answer {
  return json(200, { installed: true, maintenance: false, needsDbUpgrade: false, version: '33.0.3.2', versionstring: '33.0.3', edition: '', productname: 'Nextcloud', extendedSupport: false });
}

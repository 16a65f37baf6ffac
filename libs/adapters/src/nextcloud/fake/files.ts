import { emit, writeFile, type Sender } from './deliveries.js';
import type { User } from './state.js';
import type { Answer, Request } from './wire.js';

const root = '/remote.php/dav/files/';

/** An error as the DAV server words it. */
function davError(status: number, exception: string, message: string): Answer {
  const body = `<?xml version="1.0" encoding="utf-8"?>\n<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"><s:exception>Sabre\\DAV\\Exception\\${exception}</s:exception><s:message>${message}</s:message></d:error>\n`;
  return { status, headers: { 'content-type': 'application/xml; charset=utf-8' }, body };
}

/**
 * `PUT` and `DELETE` of a file of the caller's own; null for other paths. What follows is what Nextcloud 33.0.3 sends: Created
 * and Written for a new file, Written for another content, Deleted without an id.
 * https://docs.nextcloud.com/server/latest/developer_manual/client_apis/WebDAV/basic.html
 */
export function filesRoute(sender: Sender, request: Request, user: User): Answer | null {
  const { state } = sender;
  if (!request.path.startsWith(root)) return null;
  const [owner = '', ...inside] = request.path.slice(root.length).split('/').map(decodeURIComponent);
  const name = inside.join('/');
  if (owner !== user.uid) return davError(404, 'NotFound', `Principal with name ${owner} not found`);
  if (name === '' || !['PUT', 'DELETE'].includes(request.method)) return davError(501, 'NotImplemented', 'There was no plugin in the system that was willing to handle this method.');
  const path = `/${owner}/files/${name}`;
  const id = state.files.get(path);
  if (request.method === 'PUT') {
    const fileId = id ?? state.nextId++;
    state.files.set(path, fileId);
    return { status: id === undefined ? 201 : 204, after: () => writeFile(sender, path, owner, fileId, id !== undefined) };
  }
  if (id === undefined) return davError(404, 'NotFound', `File with name ${name} could not be located`);
  state.files.delete(path);
  return { status: 204, after: () => emit(sender, 'OCP\\Files\\Events\\Node\\NodeDeletedEvent', { node: { path } }, owner) };
}

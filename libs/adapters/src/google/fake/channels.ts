import type { drive_v3 } from '@googleapis/drive';
import { failure } from './api.js';
import type { Call } from './api.js';
import { send } from './pings.js';
import { opaque } from './random.js';
import { iso, nowOf } from './state.js';
import type { State, WatchKind } from './state.js';
import { json, jsonObject } from './wire.js';
import type { Answer } from './wire.js';

/** A notification channel. Times are milliseconds since the epoch. */
export type Channel = {
  id: string;
  api: 'drive' | 'calendar';
  kind: WatchKind;
  /** What is watched and by whom, in clear; `resourceId` stands for it towards the client. */
  resource: string;
  resourceId: string;
  resourceUri: string;
  account: string;
  clientId: string;
  address: string;
  token: string | null;
  createdAt: number;
  expiresAt: number;
  /** When a stop that takes its time comes into force. */
  stopsAt: number | null;
  endedAt: number | null;
  end: 'expired' | 'stopped' | 'revoked' | null;
  lastNumber: number;
  /** Which changes it tells of. */
  scope: ChangeScope | null;
};

/** The flags of changes.list and changes.watch that narrow what they show. */
export type ChangeScope = { driveId: string | null; allDrives: boolean; myDriveOnly: boolean; includeRemoved: boolean };

/** A message, one for each notification; its attempts tell how it went. */
export type Message = {
  seq: number;
  channelId: string;
  number: number;
  state: string;
  changed: string | null;
  address: string;
  /** Milliseconds since the epoch, as `dueAt`; a message that is held back is due never. */
  createdAt: number;
  dueAt: number;
  attempts: { at: string; status: number | null; error: string | null }[];
  /** waiting; delivered; refused: answered with a code that is not tried again; spent: tried as often as is done; suppressed: by a fault; abandoned: the channel ended before. */
  outcome: 'waiting' | 'delivered' | 'refused' | 'spent' | 'suppressed' | 'abandoned';
  /** The fault that was played on it. */
  fault: string | null;
};

/** What a watch is on: `path` names the resource, `uri` is how the call named it, with its parameters. */
export type Watched = { api: 'drive' | 'calendar'; kind: WatchKind; path: string; uri: string; scope?: ChangeScope };

/** The name of a resource as one account sees it. */
export const resourceName = (account: string, api: 'drive' | 'calendar', path: string): string => `${account} ${api} ${path}`;

/** Ends a channel. */
export function end(state: State, channel: Channel, how: NonNullable<Channel['end']>, at = nowOf(state)): void {
  if (channel.end !== null) return;
  Object.assign(channel, { end: how, endedAt: at });
  const watchers = state.watchers.get(channel.resource);
  watchers?.delete(channel);
  if (watchers?.size === 0) state.watchers.delete(channel.resource);
}

/** Whether a channel still sends; one whose time has come ends here, without a word to anybody. */
export function isLive(state: State, channel: Channel): boolean {
  const now = nowOf(state);
  if (channel.stopsAt !== null && channel.stopsAt <= Math.min(now, channel.expiresAt)) end(state, channel, 'stopped', channel.stopsAt);
  if (channel.expiresAt <= now) end(state, channel, 'expired', channel.expiresAt);
  return channel.end === null;
}

/** Tells the channels on a resource, those that `wanted` keeps. */
export function notify(state: State, resource: string, what: { state: string; changed?: string }, wanted: (channel: Channel) => boolean = () => true): void {
  for (const channel of [...(state.watchers.get(resource) ?? [])]) {
    if (isLive(state, channel) && wanted(channel)) void send(state, channel, what.state, what.changed ?? null);
  }
}

type Asked = { id: string; address: string; token: string | null; expiresAt: number };

const bad = (reason: string, message: string): Answer => failure(400, reason, message);

/** Reads the body of a watch; answers 400 where Google does. */
function readWatch(state: State, body: drive_v3.Schema$Channel, kind: WatchKind): Asked | Answer {
  const { id, type, address, token, expiration, params } = body;
  if (typeof id !== 'string' || id === '') return bad('required', 'entity.resource.id');
  if (!/^[A-Za-z0-9\-_+/=]{1,64}$/.test(id)) return bad('channelIdInvalid', `Channel id ${id} is invalid`);
  if (state.channels.has(id)) return bad('channelIdNotUnique', `Channel id ${id} not unique`);
  if (type !== 'web_hook' && type !== 'webhook') return bad('channelTypeUnknown', `Unknown channel type ${String(type)}`);
  if (typeof address !== 'string' || address === '') return bad('required', 'entity.resource.address');
  const secure = address.startsWith('https://');
  if (!secure && !(state.settings.allowHttp && address.startsWith('http://'))) return bad('push.webhookUrlNotHttps', `WebHook callback must be HTTPS: ${address}`);
  if (!URL.canParse(address)) return bad('push.webhookUrlInvalid', `WebHook callback is not a URL: ${address}`);
  if (token !== undefined && token !== null && token.length > 256) return bad('invalid', 'The channel token is longer than 256 characters');
  const now = nowOf(state);
  const [longest, usual] = [state.settings.maxLifetimeSeconds[kind] * 1000, state.settings.defaultLifetimeSeconds[kind] * 1000];
  const ttl = params?.['ttl'];
  const wanted = expiration !== undefined && expiration !== null ? Number(expiration) - now : ttl === undefined ? usual : Number(ttl) * 1000;
  if (!Number.isFinite(wanted) || wanted <= 0) return bad('invalid', `Invalid ttl value for channel ${wanted / 1000}`);
  return { id, address, token: token ?? null, expiresAt: now + Math.min(wanted, longest) };
}

/** Opens a channel and sends its `sync` message, after the answer or before it. */
export function watch({ state, request, account, token }: Call, watched: Watched): Answer {
  const body = jsonObject(request.raw) as drive_v3.Schema$Channel | null;
  if (body === null) return bad('parseError', 'Parse Error');
  request.record.channelId = typeof body.id === 'string' ? body.id : null;
  const asked = readWatch(state, body, watched.kind);
  if ('status' in asked) return asked;
  const resource = resourceName(account.email, watched.api, watched.path);
  const channel: Channel = {
    ...asked,
    api: watched.api,
    kind: watched.kind,
    resource,
    resourceId: opaque(resource),
    resourceUri: `https://www.googleapis.com/${watched.api}/v3/${watched.uri}${watched.uri.includes('?') ? '&' : '?'}alt=json`,
    account: account.email,
    clientId: token.clientId,
    createdAt: nowOf(state),
    stopsAt: null,
    endedAt: null,
    end: null,
    lastNumber: 0,
    scope: watched.scope ?? null,
  };
  state.channels.set(channel.id, channel);
  state.watchers.set(resource, (state.watchers.get(resource) ?? new Set()).add(channel));
  const answer: drive_v3.Schema$Channel = {
    kind: 'api#channel',
    id: channel.id,
    resourceId: channel.resourceId,
    resourceUri: channel.resourceUri,
    ...(channel.token === null ? {} : { token: channel.token }),
    expiration: String(channel.expiresAt),
  };
  return { ...json(200, answer), after: (early) => send(state, channel, 'sync', null, early), early: state.random() < state.settings.earlySyncShare };
}

/**
 * Stops a channel: 404 when there is none of that id and resource in the caller's OAuth client, 403 for another user.
 * With `stopTakesSeconds` it sends, and can be stopped, for a while longer.
 * https://developers.google.com/workspace/drive/api/guides/push#stop-notifications
 */
export function stop({ state, request, account, token }: Call, api: 'drive' | 'calendar'): Answer {
  const body = jsonObject(request.raw) as drive_v3.Schema$Channel | null;
  if (body === null) return bad('parseError', 'Parse Error');
  request.record.channelId = typeof body.id === 'string' ? body.id : null;
  if (!body.id) return bad('required', 'entity.resource.id');
  if (!body.resourceId) return bad('required', 'entity.resource.resourceId');
  const channel = state.channels.get(body.id);
  const known = channel !== undefined && channel.api === api && channel.clientId === token.clientId && channel.resourceId === body.resourceId && isLive(state, channel);
  if (!known) return failure(404, 'notFound', `Channel '${body.id}' not found for project '${token.clientId.split('-')[0] ?? ''}'`);
  if (channel.account !== account.email) return failure(403, 'forbidden', 'Forbidden');
  channel.stopsAt ??= nowOf(state) + state.settings.stopTakesSeconds * 1000;
  isLive(state, channel);
  return { status: 204 };
}

/** A channel as the control API shows it: its state now, without its token. */
export function channelView(state: State, channel: Channel): Record<string, unknown> {
  const live = isLive(state, channel);
  const { token, createdAt, expiresAt, endedAt, stopsAt: _stopsAt, ...rest } = channel;
  return { ...rest, live, hasToken: token !== null, createdAt: iso(createdAt), expiresAt: iso(expiresAt), endedAt: endedAt === null ? null : iso(endedAt) };
}

/** For each resource ever watched: how many channels live on it now, the most that did, and every moment at which that changed. */
export function resourcesView(state: State): Record<string, unknown>[] {
  const byResource = new Map<string, Channel[]>();
  for (const channel of state.channels.values()) {
    const channels = byResource.get(channel.resource);
    if (channels) channels.push(channel);
    else byResource.set(channel.resource, [channel]);
  }
  return [...byResource].map(([resource, channels]) => {
    const live = channels.filter((channel) => isLive(state, channel)).length;
    const moves = channels.flatMap(({ createdAt, endedAt }) => [{ at: createdAt, by: 1 }, ...(endedAt === null ? [] : [{ at: endedAt, by: -1 }])]);
    let [count, most] = [0, 0];
    const history = moves
      // Of one moment, what ends comes first.
      .sort((one, other) => one.at - other.at || one.by - other.by)
      .map(({ at, by }) => {
        count += by;
        most = Math.max(most, count);
        return { at: iso(at), live: count };
      });
    const { account, api, kind, resourceId } = channels[0] as Channel;
    return { resource, resourceId, account, api, kind, live, most, channels: channels.map(({ id }) => id), history };
  });
}

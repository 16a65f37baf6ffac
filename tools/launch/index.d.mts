/** The three servers Vane needs. */
export type ServerName = 'postgres' | 'redis' | 'nats';

/** One program as we started it; `startTicks` (Linux) tells it from a later program with the same pid. */
export type ProcessRecord = { pid: number; marker: string; startTicks?: string };

/** A server of our own. `url` is where it answers, `data` the folder it keeps its files in. */
export type OwnServer = ProcessRecord & { port: number; url: string; data: string };

/** A server that was found: `how` is one readable phrase ("127.0.0.1:5432", "docker compose", "own, port 40123"). */
export type FoundServer = { url: string; how: string };

/** Where the three servers answer. The Postgres URL names no database of Vane's. */
export type FoundServers = Record<ServerName, FoundServer>;

/** What an app needs to know: `database` is the URL of Vane's own database. */
export type Urls = { database: string; redis: string; nats: string };

export type AppName =
  | 'api-gateway' | 'webhook-ingress' | 'oauth-service' | 'trigger-service' | 'sync-worker' | 'run-worker';

export type Ports = Record<AppName, number>;
export type Environment = Record<string, string | undefined>;

/** One process the supervisor keeps alive. `environment` is complete: nothing else is inherited. */
export type PlannedApp = {
  name: string; instance: number; port: number;
  command: string; args: string[]; environment: Record<string, string>;
};

/** An app as the supervisor last wrote it; `pid` is null between a death and the next start. */
export type AppRecord = {
  name: string; instance: number; port: number; restarts: number; pid: number | null; startTicks?: string; marker: string;
};

/** The contents of `<state directory>/state.json`. */
export type State = {
  servers?: Partial<Record<ServerName, OwnServer>>;
  compose?: ServerName[];
  supervisor?: ProcessRecord & { startedAt: string; urls: Urls; scale: number };
  apps?: AppRecord[];
};

/** The contents of `<state directory>/settings.json` (mode 0600). */
export type Settings = {
  instance: string;
  tokenShown: boolean;
  environment: Record<string, string>;
};

export type Instance = {
  dir: string; api: string; ingress: string; adminToken: string;
  urls: Urls; ports: Ports; seconds: number;
  /** False when it was up before this call. */
  started: boolean;
};

/** An expected failure: its message is a whole sentence that says what to do. */
export class Problem extends Error {
  constructor(message: string, exitCode?: number);
  readonly exitCode: number;
}

/** Installs, generates and builds what is out of date. */
export function prepare(): Promise<void>;

/** The state directory: VANE_STATE_DIR, or `.vane` beside the entry script. */
export function stateDirectory(env?: Environment): string;

/** Finds or starts Postgres, Redis and NATS: URLs, standard ports, compose, local programs, Debian packages. */
export function findServers(options?: { dir?: string; env?: Environment; say?: (line: string) => void }): Promise<FoundServers>;

/**
 * Starts the chosen servers of our own under `<dir>/servers` (those that already run are kept; one that died is
 * started again on its old port with its old data) and returns the URL of each.
 */
export function startOwnServers<const Options extends { dir: string } & Partial<Record<ServerName, boolean>>>(
  options: Options,
): Promise<{ [Name in ServerName as Options[Name] extends true ? Name : never]: string } & Partial<Record<ServerName, string>>>;

/** Stops our own servers recorded in `dir` (all, or only those named) and returns the names of those it stopped. */
export function stopOwnServers(options: { dir: string; only?: ServerName[]; removeData?: boolean }): Promise<ServerName[]>;

/**
 * Creates the database the URL names unless it exists, and returns its URL. Refuses one that Vane did not create.
 * `instance` marks a new database as belonging to one installation.
 */
export function ensureDatabase(url: string, options?: { name?: string; instance?: string }): Promise<{
  url: string; name: string; created: boolean; instance: string | undefined;
}>;

/** Drops the database the URL names, with whoever is connected to it. Refuses one that Vane did not create. */
export function dropDatabase(url: string): Promise<void>;

/** Brings the database to the current schema. */
export function migrate(databaseUrl: string): Promise<void>;

/** Reads the settings, creating what is missing of them; key rings are in files, whose paths are among them. */
export function readSettings(options: {
  dir: string; dataKeys?: (id: string) => Promise<{ public: string; private: string }>;
}): Promise<Settings & { created: boolean }>;

/** The complete environment of each app: only what that app needs. */
export function appEnvironments(
  settings: Pick<Settings, 'environment'>, urls: Urls, ports: Ports, env?: Environment,
): Record<AppName, Record<string, string>>;

/** The HTTP port of every app: VANE_PORT_<APP>, else its default; with VANE_PORTS=free one that nobody uses. */
export function choosePorts(env?: Environment): Promise<Ports>;

/** Starts the detached supervisor with these apps and returns when it has written its state. */
export function startSupervisor(options: { dir: string; apps: PlannedApp[]; urls: Urls }): Promise<{ pid: number }>;

/** Stops the supervisor of `dir` and all its apps; also what a crashed supervisor left behind. Returns the app names. */
export function stopSupervisor(dir: string): Promise<string[]>;

/**
 * Everything `./vane up` does after `prepare`, steered by the variables in `env` (VANE_STATE_DIR, VANE_DATABASE_NAME,
 * VANE_PREFIX, VANE_PORTS, VANE_SCALE, VANE_SERVERS, ...), so an isolated second instance is another `env`.
 */
export function startInstance(options?: { env?: Environment; say?: (line: string) => void }): Promise<Instance>;

/** Stops what `startInstance` started in `dir`, its own servers included. */
export function stopInstance(options: { dir: string; removeData?: boolean }): Promise<string[]>;

/** Waits until every app answers 200 at /readyz, else throws a Problem that names those that do not. */
export function waitReady(dir: string, options?: { timeoutMs?: number }): Promise<void>;

/** Sends a signal (default SIGKILL) to one app of the instance and returns the pid that got it; it will be restarted. */
export function killApp(dir: string, name: AppName, options?: { signal?: NodeJS.Signals; instance?: number }): number;

/** Sends a signal (default SIGKILL) to one of our own servers; `startOwnServers` brings it back. */
export function killServer(dir: string, name: ServerName, signal?: NodeJS.Signals): Promise<number>;

/** The recorded state; `{}` when nothing was started. */
export function readState(dir: string): State;

/** A TCP port on 127.0.0.1 that nobody listens on now. */
export function freePort(): Promise<number>;

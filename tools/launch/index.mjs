// What demo, bench, chaos and the test stack use of the launcher. The types are in index.d.mts.
export { appEnvironments } from './app-environments.mjs';
export { dropDatabase, ensureDatabase, migrate } from './database.mjs';
export { findServers } from './find-servers.mjs';
export { startInstance, stopInstance } from './instance.mjs';
export { killServer, startOwnServers, stopOwnServers } from './own-servers.mjs';
export { stateDirectory } from './paths.mjs';
export { choosePorts, freePort } from './ports.mjs';
export { prepare } from './prepare.mjs';
export { Problem } from './problem.mjs';
export { readSettings } from './settings.mjs';
export { readState } from './state.mjs';
export { killApp, startSupervisor, stopSupervisor, waitReady } from './supervisor-control.mjs';

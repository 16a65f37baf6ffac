// The background process of `./vane up`: node supervisor.mjs STATE_DIRECTORY. Reads plan.json there.
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { recordProcess } from './processes.mjs';
import { readJson, updateState } from './state.mjs';
import { SupervisedApp } from './supervise.mjs';

const dir = resolve(process.argv[2] ?? '.vane');
/** @type {{ apps: import('./index.mjs').PlannedApp[], urls: import('./index.mjs').Urls }} */
const plan = readJson(join(dir, 'plan.json'));
rmSync(join(dir, 'plan.json')); // it holds every app's keys

/** @type {SupervisedApp[]} */
const apps = [];
function writeApps() {
  try {
    updateState(dir, (state) => { state.apps = apps.map((app) => app.record()); });
  } catch (error) {
    console.error('the state could not be written', error); // a full disk must not take the apps down
  }
}

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  await Promise.all(apps.map((app) => app.stop()));
  updateState(dir, (state) => {
    delete state.supervisor;
    delete state.apps;
  });
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('SIGHUP', () => undefined); // the terminal that started us may close

for (const planned of plan.apps) apps.push(new SupervisedApp(planned, dir, () => { if (!stopping) writeApps(); }));
for (const app of apps) app.start();
updateState(dir, (state) => {
  state.supervisor = { ...recordProcess(process.pid, dir), startedAt: new Date().toISOString(), urls: plan.urls, scale: apps.length };
  state.apps = apps.map((app) => app.record());
});

export { describeAdapter } from './describe.js';
export { loadAdapters, type AdapterRegistry, type LoadAdaptersOptions } from './registry.js';

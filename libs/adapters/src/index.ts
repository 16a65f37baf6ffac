export { describeAdapter } from './describe.js';
export { AdapterRegistry, loadAdapters, type LoadAdaptersOptions } from './registry.js';

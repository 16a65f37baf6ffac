export { createTestDatabase } from './test-database.js';
export type { TestDatabase } from './test-database.js';
export * from './api-client.js';
export * from './eventually.js';
export * from './http-receiver.js';
export * from './openid-provider.js';
export * from './secrets/index.js';
export * from './redis-keys.js';

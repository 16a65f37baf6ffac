export * from './adapter.js';
export * from './request.js';
export * from './scheme.js';
export * from './service-http.js';

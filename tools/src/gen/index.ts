export { contractsDocument } from './contracts-document.js';
export { environmentPage } from './environment-page.js';
export { errorsPage, withoutAdvice } from './errors-page.js';
export { natsConfiguration } from './bus-permissions.js';
export { settingsShapes } from './settings-shapes.js';

import { openApiDocument } from './openapi/document.js';

process.stdout.write(`${JSON.stringify(openApiDocument(), null, 2)}\n`);

import { fileURLToPath } from 'node:url';
import { newService, NewServiceError } from './generate.js';

const directory = fileURLToPath(new URL('../../../libs/adapters/src', import.meta.url));
const [name = '', ...rest] = process.argv.slice(2);

try {
  if (rest.length > 0) throw new NewServiceError('Give one name: ./vane new-service NAME.');
  const files = await newService(name, directory);
  process.stdout.write(
    `Wrote ${files.length} files. Fill them in until ./vane test unit passes; libs/adapters/src/${name}/README.md says where to start.\n` +
      `${JSON.stringify({ ok: true, service: name, files: files.map((file) => `libs/adapters/src/${file}`) })}\n`,
  );
} catch (error) {
  if (!(error instanceof NewServiceError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.stdout.write(`${JSON.stringify({ ok: false, error: error.message })}\n`);
  process.exitCode = 1;
}

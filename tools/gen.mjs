// npm run gen: writes every generated file anew.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generated, textOf } from './generated.mjs';
import { root } from './launch/paths.mjs';
import { prepare } from './launch/prepare.mjs';
import { say } from './launch/problem.mjs';

await prepare();
for (const { file, make } of generated) {
  const current = textOf(file);
  const text = await make(current);
  mkdirSync(dirname(join(root, file)), { recursive: true });
  if (text !== current) writeFileSync(join(root, file), text);
  say(`${file}: ${text === current ? 'is current' : 'written'}`);
}

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const extension = extname(fileURLToPath(import.meta.url));
const sibling = (name: string): string => fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));

async function bundleGuest(): Promise<string> {
  const built = await esbuild.build({
    entryPoints: [sibling('guest/guest')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'vaneGuest',
    platform: 'neutral',
    target: 'es2023',
    minify: true,
    logLevel: 'silent',
    tsconfigRaw: {},
  });
  return `(() => { ${built.outputFiles[0]?.text ?? ''}; return vaneGuest.boot; })()`;
}

async function interpreterWasm(): Promise<string> {
  const quickjs = createRequire(import.meta.url).resolve('quickjs-emscripten');
  const path = createRequire(quickjs).resolve('@jitl/quickjs-wasmfile-release-sync/wasm');
  return (await readFile(path)).toString('base64');
}

/**
 * Everything a child runs as one ES module text, WebAssembly included. Children get it over their standard input, so they
 * need no file. A bundle of Vane has it ready beside itself; from sources or their build it is made here.
 */
export async function childProgram(): Promise<Buffer> {
  try {
    return await readFile(new URL('./child-program.mjs', import.meta.url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return buildChildProgram();
  }
}

/** Makes the text of `childProgram` out of the files beside this one. */
export async function buildChildProgram(): Promise<Buffer> {
  const [guest, wasm] = await Promise.all([bundleGuest(), interpreterWasm()]);
  const built = await esbuild.build({
    entryPoints: [sibling('child')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifyWhitespace: true,
    logLevel: 'silent',
    tsconfigRaw: {},
    define: { GUEST_PROGRAM: JSON.stringify(guest), INTERPRETER_WASM: JSON.stringify(wasm) },
  });
  return Buffer.from(built.outputFiles[0]?.contents ?? []);
}

import { createHash } from 'node:crypto';
import * as esbuild from 'esbuild';
import type { CompiledScript } from './protocol.js';
import type { ScriptLanguage } from './script-types.js';

/**
 * Longer sources are refused. esbuild's parser recurses about 3 KB deep per nested character and its process
 * dies at 512 MiB of stack, which some 170,000 characters can reach.
 */
export const maxScriptLength = 128 * 1024;

/** Tells a stuck compiler from a slow one: on a machine with many times more work than cores the longest source takes over ten seconds. */
const compileDeadlineMs = 20_000;
const cacheEntries = 200;

export type CompileResult =
  | { ok: true; script: CompiledScript }
  | { ok: false; class: 'script' | 'ours'; message: string };

const refuseImports: esbuild.Plugin = {
  name: 'refuse-imports',
  setup(build) {
    build.onResolve({ filter: /.*/ }, (request) => {
      if (request.kind === 'entry-point') return undefined;
      const name = JSON.stringify(request.path.slice(0, 100));
      return { errors: [{ text: `A script cannot import ${name}: it is one file without imports. Use the built-in globals (fetch, URL, crypto, console) or put the code into the script itself.` }] };
    });
  },
};

function bundle(code: string, language: ScriptLanguage, file: string): Promise<esbuild.BuildResult<{ write: false }>> {
  return esbuild.build({
    stdin: { contents: code, loader: language === 'typescript' ? 'ts' : 'js', sourcefile: file },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    charset: 'utf8',
    outfile: 'out.js',
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'silent',
    tsconfigRaw: {},
    plugins: [refuseImports],
  });
}

function describe(failure: esbuild.BuildFailure): string {
  return failure.errors
    .slice(0, 5)
    .map(({ text, location }) => `${location ? `${location.file}:${location.line}:${location.column + 1}: ` : ''}${text.slice(0, 500)}`)
    .join('\n');
}

async function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Compiling took longer than ${compileDeadlineMs} ms.`)), compileDeadlineMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function compileOnce(code: string, language: ScriptLanguage): Promise<CompileResult> {
  const file = language === 'typescript' ? 'script.ts' : 'script.js';
  try {
    const { outputFiles } = await withDeadline(bundle(code, language, file));
    const [map, js] = [outputFiles.find(({ path }) => path.endsWith('.map')), outputFiles.find(({ path }) => path.endsWith('.js'))];
    return { ok: true, script: { code: js?.text ?? '', map: map?.text ?? '', file } };
  } catch (error) {
    const failure = error as esbuild.BuildFailure;
    if (Array.isArray(failure.errors)) return { ok: false, class: 'script', message: describe(failure) };
    // The compiler's process is gone or stuck; stopping it makes esbuild start another on the next build.
    await esbuild.stop();
    return { ok: false, class: 'ours', message: `The script could not be compiled: ${failure.message.split('\n')[0]}` };
  }
}

/** Compiles scripts to one ES module each, once per text: results are kept by hash, the least recently used go first. */
export class ScriptCompiler {
  private readonly cache = new Map<string, Promise<CompileResult>>();

  compile(code: string, language: ScriptLanguage): Promise<CompileResult> {
    if (code.length > maxScriptLength) {
      return Promise.resolve({ ok: false, class: 'script', message: `The script is ${code.length} characters long; at most ${maxScriptLength} are allowed.` });
    }
    const key = createHash('sha256').update(`${language}\n${code}`).digest('base64');
    const known = this.cache.get(key);
    const result = known ?? this.attempt(code, language);
    this.cache.delete(key);
    this.cache.set(key, result);
    if (this.cache.size > cacheEntries) this.cache.delete(this.cache.keys().next().value as string);
    if (!known) void result.then((outcome) => { if (!outcome.ok && outcome.class === 'ours') this.cache.delete(key); });
    return result;
  }

  /** Tries again once: another script may have taken the shared compiler process down. */
  private async attempt(code: string, language: ScriptLanguage): Promise<CompileResult> {
    const first = await compileOnce(code, language);
    return first.ok || first.class === 'script' ? first : compileOnce(code, language);
  }
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Findings } from './findings.js';

/** Looks at every file below a folder, or below some folders in it, each as a whole. */
export function scanFiles(folder: string, findings: Findings, within: readonly string[] = ['.']): void {
  for (const part of within) if (existsSync(join(folder, part))) scanFolder(folder, part, findings);
}

function scanFolder(folder: string, part: string, findings: Findings): void {
  for (const entry of readdirSync(join(folder, part), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    findings.look(`file ${relative(folder, path)}`, readFileSync(path));
  }
}

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Findings } from './findings.js';

/** Looks at every file below a folder, each as a whole. */
export function scanFiles(folder: string, findings: Findings): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    findings.look(`file ${relative(folder, path)}`, readFileSync(path));
  }
}

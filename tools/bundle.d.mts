/** Bundles programs with all service folders; `entries` by the name of the output, without `.js`. */
export function bundle(options: { outdir: string; entries: Record<string, string> }): Promise<void>;

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import * as contracts from '@vane/contracts';
import { defineConfig, type Plugin } from 'vite';

/** Constants that pages choose from; what else the contracts hold (schemas, and zod with them) stays out of the browser. */
const CONSTANTS = [
  'DELIVERY_STATUSES', 'RUN_STATUSES', 'TERMINAL_RUN_STATUSES', 'TRIGGER_STATUSES', 'WORKSPACE_ROLES', 'ROLES', 'TOKEN_SCOPES',
  'CHANNEL_KINDS', 'RESYNC_POLICIES', 'DRIFT_POLICIES', 'SECRET_OVERLAPS',
] as const satisfies (keyof typeof contracts)[];

type Routed = { http?: { method: string; path: string; ifMatch?: boolean; csvOf?: string } };

/** The module `virtual:contracts`: method and path of every operation by the name it is exported under, and the constants. */
function contractsPlugin(): Plugin {
  return {
    name: 'vane-contracts',
    resolveId: (id) => (id === 'virtual:contracts' ? '\0virtual:contracts' : undefined),
    load(id) {
      if (id !== '\0virtual:contracts') return undefined;
      const routes = Object.entries(contracts).flatMap(([name, value]) => {
        const http = typeof value === 'object' && 'owner' in value ? (value as Routed).http : undefined;
        return http ? [[name, [http.method, http.path, http.ifMatch ?? false]]] : [];
      });
      const constants = CONSTANTS.map((name) => `export const ${name} = ${JSON.stringify(contracts[name])};`);
      return [`export const routes = ${JSON.stringify(Object.fromEntries(routes))};`, ...constants].join('\n');
    },
  };
}

/** Compresses what is built, once, so that the gateway does not have to for every reader. */
function compressPlugin(): Plugin {
  return {
    name: 'vane-compress',
    apply: 'build',
    writeBundle({ dir }) {
      const assets = join(dir!, 'assets');
      for (const file of readdirSync(assets).filter((name) => /\.(?:js|css|svg)$/.test(name))) {
        const bytes = readFileSync(join(assets, file));
        writeFileSync(join(assets, `${file}.gz`), gzipSync(bytes, { level: 9 }));
        writeFileSync(join(assets, `${file}.br`), brotliCompressSync(bytes));
      }
    },
  };
}

// The gateway puts a nonce of its own into every answer: component libraries add style elements, which the policy refuses otherwise.
export default defineConfig({
  plugins: [react(), contractsPlugin(), compressPlugin()],
  html: { cspNonce: 'VANE_NONCE' },
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 700, reportCompressedSize: false },
});

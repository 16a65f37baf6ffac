import { APPS } from '@vane/contracts';
import type { SettingsShapes } from './environment-page.js';

/** The settings of every built app, out of its `dist/config.js`. Throws for an app that exports none. */
export async function settingsShapes(root: URL): Promise<SettingsShapes> {
  const shapes = await Promise.all(APPS.map(async (app) => {
    const module = (await import(new URL(`apps/${app}/dist/config.js`, root).href)) as { settingsShape?: SettingsShapes[typeof app] };
    if (!module.settingsShape) throw new Error(`apps/${app}/src/config.ts must export its settings as settingsShape.`);
    return [app, module.settingsShape] as const;
  }));
  return Object.fromEntries(shapes) as SettingsShapes;
}

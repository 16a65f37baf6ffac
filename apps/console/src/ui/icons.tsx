/** Line drawings on a grid of 24, one path each. */
const PATHS = {
  overview: 'M4 13h6V4H4v9Zm10 7h6V4h-6v16ZM4 20h6v-3H4v3Z',
  start: 'M5 12h14m-6-6 6 6-6 6',
  services: 'M4 7l8-4 8 4-8 4-8-4Zm0 5 8 4 8-4M4 17l8 4 8-4',
  integrations: 'M9 3v5m6-5v5M7 8h10v3a5 5 0 0 1-10 0V8Zm5 8v5',
  connections: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1m2 4a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  triggers: 'M13 2 4 14h7l-1 8 9-12h-7l1-8Z',
  deliveries: 'M4 12h4l2 3h4l2-3h4M5 6h14l2 6v6H3v-6l2-6Z',
  events: 'M6 3v4m12-4v4M4 9h16M5 5h14v15H5V5Zm4 8h2m2 0h2m-6 3h2',
  runs: 'M8 5v14l11-7L8 5Z',
  runnables: 'm8 8-4 4 4 4m8-8 4 4-4 4M14 5l-4 14',
  notifications: 'M6 9a6 6 0 0 1 12 0c0 6 2 7 2 7H4s2-1 2-7Zm4 10a2 2 0 0 0 4 0',
  settings: 'M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm0-12v3m0 12v3m9-9h-3M6 12H3m15.4-6.4-2.1 2.1M7.7 16.3l-2.1 2.1m12.8 0-2.1-2.1M7.7 7.7 5.6 5.6',
  menu: 'M4 7h16M4 12h16M4 17h16',
  plus: 'M12 5v14M5 12h14',
  theme: 'M20 14A8 8 0 1 1 10 4a7 7 0 0 0 10 10Z',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 9a7 7 0 0 1 14 0',
  folder: 'M3 6h6l2 2h10v11H3V6Z',
  check: 'm5 13 4 4L19 7',
} as const;
export type IconName = keyof typeof PATHS;

/** A drawing beside words; it says nothing that they do not. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

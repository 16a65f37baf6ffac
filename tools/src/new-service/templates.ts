import { labelOf } from './label.js';

export function specOf(name: string): string {
  return `import { describeConformance, readFixtures } from '@vane/kit/conformance';
import { adapter } from './index.js';

describeConformance(adapter, {
  triggerType: 'event',
  config: { resource: 'example' },
  fixtures: readFixtures(new URL('./fixtures/', import.meta.url)),
  sign: () => {
    throw new Error('Fill in sign in ${name}.spec.ts: the headers the service proves itself with, made by its own library or by node:crypto.');
  },
});
`;
}

export function readmeOf(name: string): string {
  return `# ${labelOf(name)}

How to register Vane at the service, which scopes are asked for and why, and what is peculiar about its webhooks, each with a link to its documentation.

## To fill in

1. \`index.ts\`: documentation link, hosts, setup steps, summary, starter script, verification, \`normalise\`.
2. \`fixtures/\`: one recorded delivery for each kind of event (see its README).
3. \`${name}.spec.ts\`: \`sign\`, independent of \`index.ts\`.
4. \`icon.svg\`.

Run the spec: what it says is what is left to do. Nothing outside this folder needs to change.
`;
}

export function fixturesReadmeOf(): string {
  return `# Recorded deliveries

One file for each, ending in \`.json\`, with every secret replaced:

\`\`\`json
{
  "source": "https://example.com/docs/webhooks, recorded 2025-01-31",
  "headers": { "x-event": "thing.created" },
  "body": "{\\"id\\":\\"1\\"}",
  "events": [{ "type": "thing.created", "dedupeKey": "1" }]
}
\`\`\`

\`body\` is the text as it was sent. \`headers\` leaves out what \`sign\` adds. \`events\` says what must become of it. \`"ping": true\` marks a message that is recorded and starts nothing.
`;
}

export function iconOf(name: string): string {
  const letter = labelOf(name).charAt(0);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" role="img" aria-label="${labelOf(name)}"><circle cx="12" cy="12" r="11" fill="none" stroke="currentColor" stroke-width="2"/><text x="12" y="17" font-family="sans-serif" font-size="14" text-anchor="middle" fill="currentColor">${letter}</text></svg>
`;
}

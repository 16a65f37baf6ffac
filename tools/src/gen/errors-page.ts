import { ERRORS, type ErrorCode } from '@vane/contracts';

const HEAD = `# Errors

Every answer that is no success is problem+json ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) and carries one of these codes.
*Retry* says what a program should do: \`never\` (the same call fails again), \`later\` (the same call may succeed; wait as
\`Retry-After\` says, if it is there), \`reauth\` (only after the connection was authorised again).

All columns but the last are made from \`libs/contracts/src/errors.ts\` by \`npm run gen\`; the last one is written here.

| code | status | retry | what happened | what to do |
| --- | --- | --- | --- | --- |
`;

/** The hand-written last column of a page, by code. */
export function adviceIn(page: string): Map<string, string> {
  const rows = page.split('\n').map((line) => /^\| `(\w+)` \|(?:[^|]*\|){3} (.*) \|$/.exec(line));
  return new Map(rows.flatMap((row) => (row ? [[row[1]!, row[2]!.trim()]] : [])));
}

/** The page with a row for every code there is, keeping the advice of the current one. */
export function errorsPage(current: string): string {
  const advice = adviceIn(current);
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { status, retry, title } = ERRORS[code];
    return `| \`${code}\` | ${status} | ${retry} | ${title} | ${advice.get(code) ?? ''} |\n`;
  });
  return HEAD + rows.join('');
}

/** Codes for which nobody has written what to do. */
export function withoutAdvice(page: string): string[] {
  return [...adviceIn(page)].filter(([, advice]) => advice === '').map(([code]) => code);
}

import { ERRORS, type ConnectionView, type VaneError } from '@vane/contracts';

/** The page after an account was connected. */
export const successPage = ({ accountLabel, service }: Pick<ConnectionView, 'accountLabel' | 'service'>): string =>
  page('Connected', [`The account ${accountLabel} at ${service} is connected.`, 'You can close this window and go on in Vane.']);

/** The page that says what went wrong, and what to do about it. */
export const errorPage = (error: VaneError, requestId: string): string =>
  page(ERRORS[error.code].title, [error.message, whatToDo(error), `Request ${requestId}, code ${error.code}.`]);

function whatToDo({ code, retry }: VaneError): string {
  if (retry === 'later') return 'Reload this page in a moment. If it stays like this, start the connection again.';
  if (code === 'oauth_denied') return 'Nothing was stored. To connect the account after all, start the connection again and grant access.';
  return 'Start the connection again in Vane, and finish it in the same browser.';
}

/**
 * Whether the caller prefers JSON to a page: it names JSON and does not name HTML. Browsers name HTML, always.
 */
export const wantsJson = (accept: string | undefined): boolean =>
  accept !== undefined && /application\/(?:problem\+)?json/i.test(accept) && !/text\/html/i.test(accept);

function page(title: string, lines: string[]): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">',
    `<title>${escape(title)}</title></head>`,
    `<body><main><h1>${escape(title)}</h1>`,
    ...lines.map((line) => `<p>${escape(line)}</p>`),
    '</main></body>',
    '</html>',
    '',
  ].join('\n');
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);

import { ERRORS, type AuthorisationDescription, type ConnectionView, type GrantFinding, type VaneError } from '@vane/contracts';

type Input = { label: string; name: string; type: 'email' | 'password'; autocomplete: string };

/** A form with hidden fields and those to fill in; each button posts it to a path relative to the page. Links lead around it. */
type Form = { fields: Record<string, string>; inputs?: Input[]; buttons: { label: string; path: string }[]; links?: { label: string; url: string }[] };

/** The page before anything is done: who asks for which access, and a button to go on. `ticket` is the last part of its URL. */
export const startPage = (asked: AuthorisationDescription, ticket: string): string => {
  const { actorLabel, service, host, workspace, scopes, reconnects } = asked;
  const what = reconnects === null ? `connect an account at ${service} (${host})` : `authorise the connection to ${reconnects} at ${service} (${host}) anew`;
  return page(
    `Connect an account at ${service}`,
    [
      `${actorLabel} asks you to ${what} for the workspace "${workspace}".`,
      scopes.length === 0 ? 'No particular permissions are asked for: what access means is said on the next page.' : `Permissions asked for: ${scopes.join(', ')}.`,
      asked.private
        ? `The connection is private: in the workspace, ${actorLabel} alone may use it.`
        : 'The connection is shared: everybody who edits this workspace may work with the account.',
      'Go on only if you know who asks, and want this workspace to have access to your account.',
    ],
    { fields: {}, buttons: [{ label: `Go on to ${host}`, path: encodeURIComponent(ticket) }] },
  );
};

/** The page after an account was connected. */
export const successPage = ({ accountLabel, service }: Pick<ConnectionView, 'accountLabel' | 'service'>): string =>
  page('Connected', [`The account ${accountLabel} at ${service} is connected.`, 'You can close this window and go on in Vane.']);

/** The page that says what a new grant would break, and asks for a decision. */
export const differencePage = ({ accountLabel }: Pick<ConnectionView, 'accountLabel'>, findings: GrantFinding[], state: string): string =>
  page('Nothing has changed yet', [...findings.map(({ message }) => message), 'This has to be decided within ten minutes; until then, and if you do nothing, all stays as it was.'], {
    fields: { state },
    buttons: [
      { label: `Keep the connection to ${accountLabel} as it was`, path: 'discard' },
      { label: 'Take the new access all the same', path: 'confirm' },
    ],
  });

/** The page after a new grant was discarded. */
export const discardedPage = (): string => page('Nothing was changed', ['The connection is as it was before.', 'You can close this window and go on in Vane.']);

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

/** A page of plain lines. */
export function page(title: string, lines: string[], form?: Form): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">',
    `<title>${escape(title)}</title></head>`,
    `<body><main><h1>${escape(title)}</h1>`,
    ...lines.map((line) => `<p>${escape(line)}</p>`),
    ...(form ? formLines(form) : []),
    '</main></body>',
    '</html>',
    '',
  ].join('\n');
}

const formLines = ({ fields, inputs = [], buttons, links = [] }: Form): string[] => [
  `<form method="post" action="${escape(buttons[0]!.path)}">`,
  ...Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`),
  ...inputs.map(
    ({ label, name, type, autocomplete }) =>
      `<p><label>${escape(label)} <input type="${type}" name="${escape(name)}" autocomplete="${escape(autocomplete)}" required></label></p>`,
  ),
  ...buttons.map(({ label, path }) => `<p><button formaction="${escape(path)}">${escape(label)}</button></p>`),
  '</form>',
  ...links.map(({ label, url }) => `<p><a href="${escape(url)}">${escape(label)}</a></p>`),
];

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);

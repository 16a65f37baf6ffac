import type { Exemption } from './findings.js';

/** Where a secret may stand readably, each with its reason. */
export const EXEMPTIONS: readonly Exemption[] = [
  {
    place: /^subscription\.key$/, secret: /callbackUrl$/,
    reason: 'ingress finds a subscription by the key in the URL; whoever has it can post, and what is posted is verified by a secret of its own',
  },
  {
    place: /^(delivery\.body|file bus\/deliveries|stream \w+)$/, secret: /callbackUrl$/,
    reason: 'a service may repeat the URL of a hook in what it sends, as a ping that describes the hook does; bodies are kept as they came',
  },
];

/** What may be too short to be looked for: by its name, and where only some of that name may, by its value. */
export type ShortSecret = { secret: RegExp; value?: RegExp; reason: string };
export const SHORT_SECRETS: readonly ShortSecret[] = [
  { secret: /^t\.c$/, reason: 'a column of no table: the specs of rotation try keys on words in it' },
  { secret: /^cookie /, reason: 'how long the cookies of a sign-in page are is up to the service, and they never leave the browser of a test' },
  { secret: /^session\.(change-password currentPassword|sign-in password)$/, reason: 'tests guess at passwords, and a wrong one is nobody\'s secret' },
  { secret: /^authorisations\.(start|attribute|describe|finish|confirm|discard) /, reason: 'the gateway is tried with tickets, states and cookies that have to be escaped; those of oauth-service are long' },
  { secret: /^secrets\.put value$/, value: /^(0815|4711)$/, reason: 'a number that can be guessed, where it is shown that a fingerprint does not give it away' },
  { secret: /^(secrets\.put value|secret\.sealed)$/, value: /^from the data ring $/, reason: 'the script that is tried while rings are rotated returns it, to show that it was opened' },
];

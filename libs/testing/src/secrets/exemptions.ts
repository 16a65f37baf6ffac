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

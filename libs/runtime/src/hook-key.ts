import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const RANDOM_CHARS = 22;
const MAC_BYTES = 8;

/**
 * The last part of a hook URL: 16 random bytes that name one subscription and an 8-byte MAC, base64url. The MAC lets
 * ingress turn away made-up keys without asking anyone.
 */
export class HookKeys {
  private readonly macKey: Buffer;

  /** `secret`: base64 of at least 32 bytes, the same for trigger-service and every ingress. */
  constructor(secret: string) {
    this.macKey = Buffer.from(secret, 'base64');
    if (this.macKey.length < 32) throw new Error('VANE_INGRESS_KEY_SECRET must be base64 of at least 32 bytes');
  }

  mint(): string {
    const random = randomBytes(16).toString('base64url');
    return random + this.mac(random).toString('base64url');
  }

  /** Whether we made this key; says nothing about whether it is still in use. */
  isGenuine(key: string): boolean {
    if (key.length !== RANDOM_CHARS + 11) return false;
    const given = Buffer.from(key.slice(RANDOM_CHARS), 'base64url');
    return given.length === MAC_BYTES && timingSafeEqual(given, this.mac(key.slice(0, RANDOM_CHARS)));
  }

  private mac(random: string): Buffer {
    return createHmac('sha256', this.macKey).update(random).digest().subarray(0, MAC_BYTES);
  }
}

export const hookUrl = (publicUrl: string, key: string) => `${publicUrl.replace(/\/+$/, '')}/hooks/${key}`;

/** Whether this is the URL of our hook with this key, whatever the public URL was when it was given away. */
export const carriesKey = (url: string, key: string): boolean => url.endsWith(`/hooks/${key}`);

import type { Json } from '@vane/kit';
import { z } from 'zod';

/** The JSON that was posted. @throws Error without a word of the body: errors are logged. */
export function messageOf(body: Uint8Array): Json {
  try {
    return z.json().parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)));
  } catch {
    throw new Error('The body is not JSON.');
  }
}

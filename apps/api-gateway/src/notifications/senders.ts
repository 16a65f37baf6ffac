import type { ChannelKind } from '@vane/contracts';
import type { ChannelSender } from './channel-sender.js';

/** The sender of each kind of channel. */
export class Senders {
  constructor(private readonly byKind: Record<ChannelKind, ChannelSender>) {}

  of(kind: ChannelKind): ChannelSender {
    return this.byKind[kind];
  }
}

import { jetstreamManager, type JetStreamManager, type NextMsgRequest, type SeqMsgRequest } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Findings } from './findings.js';

/** Looks at every message, headers and data, of every JetStream stream whose name begins with the prefix. */
export async function scanStreams(url: string, prefix: string, findings: Findings): Promise<void> {
  const nats = await connect({ servers: url });
  try {
    const manager = await jetstreamManager(nats);
    for await (const { config, state } of manager.streams.list()) {
      if (config.name.startsWith(prefix)) await scanStream(manager, config.name, state.first_seq, findings);
    }
  } finally {
    await nats.close();
  }
}

async function scanStream(manager: JetStreamManager, stream: string, first: number, findings: Findings): Promise<void> {
  for (let seq = first; ; ) {
    // The first message from here on: those in between have been taken out.
    const next: SeqMsgRequest & NextMsgRequest = { seq, next_by_subj: '>' };
    const message = await manager.streams.getMessage(stream, next);
    if (!message) return;
    findings.look(`stream ${stream}`, Buffer.from(message.subject));
    for (const [name, values] of message.header) findings.look(`stream ${stream}`, `${name}: ${values.join(', ')}`);
    findings.look(`stream ${stream}`, Buffer.from(message.data));
    seq = message.seq + 1;
  }
}

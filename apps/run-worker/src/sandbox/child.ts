import { Socket } from 'node:net';
import { Execution } from './execution.js';
import { encodeFrame, frameReader, type FromChild, type ToChild } from './protocol.js';

/** The child's whole world: one socket, given by the parent as file descriptor 3. */
const parent = new Socket({ fd: 3, readable: true, writable: true });
const send = (message: FromChild): void => void parent.write(encodeFrame(message));

let current: { run: number; execution: Execution } | undefined;

function receive(text: string): void {
  const message = JSON.parse(text) as ToChild;
  if (message.type === 'fetched') {
    if (current?.run === message.run) current.execution.fetched(message);
    return;
  }
  const execution = new Execution(message, send, () => {
    current = undefined;
  });
  current = { run: message.run, execution };
  void execution.run();
}

parent.on('data', frameReader(Infinity, receive));
// Without a parent nobody waits for the result.
parent.on('close', () => process.exit(0));
parent.on('error', () => process.exit(0));
send({ type: 'ready' });

import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Far under the bus's limit on messages, which is 1 MB unless its operator says otherwise. */
const PLAIN_BYTES = 256 * 1024;
/** No answer is larger; what claims to be is not unpacked. */
const LARGEST_BYTES = 64 * 1024 * 1024;
/** First byte of every gzip file (RFC 1952 section 2.3.1), and of no JSON text. */
const GZIP = 0x1f;

/**
 * A reply as bytes: JSON, compressed when it is long. A stored body of the full size doubles when it is written as JSON,
 * and a run comes with the output of all its attempts, so that plain replies would not fit a message.
 */
export async function encodeReply(reply: unknown): Promise<Uint8Array> {
  const plain = Buffer.from(JSON.stringify(reply));
  return plain.length <= PLAIN_BYTES ? plain : compress(plain, { level: constants.Z_BEST_SPEED });
}

/** The inverse of `encodeReply`. Rejects for bytes that are neither. */
export async function decodeReply<Reply>(bytes: Uint8Array): Promise<Reply> {
  const plain = bytes[0] === GZIP ? await decompress(bytes, { maxOutputLength: LARGEST_BYTES }) : Buffer.from(bytes);
  return JSON.parse(plain.toString('utf8')) as Reply;
}

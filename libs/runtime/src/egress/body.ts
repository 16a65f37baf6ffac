import { Readable, pipeline, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** A response body read up to a limit; `tooLarge` if there was more of it. `decoded` if a content coding was undone. */
export type LimitedBody = { readonly bytes: Buffer; readonly tooLarge: boolean; readonly decoded: boolean };

const DECODERS: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * Reads a body, undoing its content coding as it comes, and stops at `maxBytes` decoded bytes: a
 * small answer that unpacks to gigabytes is never unpacked further. A coding Vane does not know,
 * or several on top of each other, is left as it is.
 *
 * @param coding the Content-Encoding header; undefined for none
 * @throws the stream's own error, or zlib's (`code` starts with `Z_` or `ERR_`) if the coding is broken
 */
export async function readLimited(source: Readable, maxBytes: number, coding: string | undefined): Promise<LimitedBody> {
  const decoder = coding === undefined ? undefined : DECODERS[coding.trim().toLowerCase()];
  if (!decoder) return { ...(await collect(source, maxBytes)), decoded: false };
  const received = { bytes: 0 };
  const packed = Readable.from(counted(source, maxBytes, received), { objectMode: false });
  const unpacked = pipeline(packed, decoder(), () => undefined);
  try {
    return { ...(await collect(unpacked, maxBytes)), decoded: true };
  } catch (error) {
    if (error instanceof PackedTooLarge) return { bytes: Buffer.alloc(0), tooLarge: true, decoded: true };
    // Nothing at all is not valid gzip, yet servers send it with 200 and a Content-Encoding.
    if (received.bytes === 0 && String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
      return { bytes: Buffer.alloc(0), tooLarge: false, decoded: true };
    }
    throw error;
  } finally {
    source.destroy();
  }
}

class PackedTooLarge extends Error {}

/** Compressed input is bounded too: a coding can carry endless input that yields no output. */
async function* counted(source: Readable, maxBytes: number, received: { bytes: number }): AsyncGenerator<Buffer> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    received.bytes += chunk.length;
    if (received.bytes > maxBytes + 1024) throw new PackedTooLarge();
    yield chunk;
  }
}

async function collect(source: Readable, maxBytes: number): Promise<{ bytes: Buffer; tooLarge: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(length + chunk.length > maxBytes ? chunk.subarray(0, maxBytes - length) : chunk);
    length += chunk.length;
    if (length > maxBytes) return { bytes: Buffer.concat(chunks), tooLarge: true };
  }
  return { bytes: Buffer.concat(chunks), tooLarge: false };
}

import { createHmac, randomBytes } from 'node:crypto';
import type { LoadJob } from './load-job.js';

/**
 * Whole HTTP requests as bytes, each with a delivery id, a body and a signature of its own. Signed ahead of the
 * measurement, so that the generator's own work does not take the processor from the server it measures.
 */
export class RequestSource {
  private readonly ready: Buffer[] = [];
  private readonly prefix = randomBytes(6).toString('hex');
  private readonly filler: string;
  private readonly head: string;
  private made = 0;

  constructor(private readonly job: LoadJob) {
    const { host, pathname } = new URL(job.url);
    this.head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${job.bodyBytes}\r\n`;
    this.filler = 'x'.repeat(job.bodyBytes - this.json('').length - this.nextId().length);
    while (this.ready.length < job.prepared) this.ready.push(this.make());
  }

  next(): Buffer {
    return this.ready.pop() ?? this.make();
  }

  private nextId(): string {
    this.made += 1;
    return `${this.prefix}-${String(this.made).padStart(12, '0')}`;
  }

  private json(id: string, filler = ''): string {
    return JSON.stringify({ id, type: 'bench.measured', data: { text: filler } });
  }

  private make(): Buffer {
    const id = this.nextId();
    const body = this.json(id, this.filler);
    const signature = createHmac('sha256', this.job.secret).update(body).digest('hex');
    return Buffer.from(`${this.head}${this.job.idHeader}: ${id}\r\n${this.job.signatureHeader}: ${signature}\r\n\r\n${body}`);
  }
}

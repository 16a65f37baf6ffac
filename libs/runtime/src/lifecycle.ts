import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

/** Closes what an app opened, last opened first, when it is told to stop. */
@Injectable()
export class Lifecycle implements OnApplicationShutdown {
  private readonly closers: (() => Promise<void> | void)[] = [];

  onStop(close: () => Promise<void> | void): void {
    this.closers.push(close);
  }

  async onApplicationShutdown(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
  }
}

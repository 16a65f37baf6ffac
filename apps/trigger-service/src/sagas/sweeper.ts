import type { ConnectionFollower } from './connection-follower.js';
import type { Moves } from './moves.js';
import type { SecretRotation } from './secret-rotation.js';

/** What is not of one subscription alone: each part finds by itself what a crash or a lost signal has left. */
export class Sweeper {
  constructor(
    private readonly connections: ConnectionFollower,
    private readonly secrets: SecretRotation,
    private readonly moves: Moves,
  ) {}

  async sweep(limit: number): Promise<void> {
    await this.secrets.wipeEnded(limit);
    await this.moves.finish(limit);
    await this.moves.forget();
    await this.connections.follow();
  }
}

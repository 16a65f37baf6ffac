import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import { VaneError } from '@vane/contracts';

/**
 * argon2id, 19 MiB, two passes, one lane
 * (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id). Raise them in time: older
 * hashes are made anew when their owner signs in.
 */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** The same characters may be typed as different code points (https://unicode.org/reports/tr15/). */
const normal = (password: string): string => password.normalize('NFC');

/** Hashes and checks passwords. */
@Injectable()
export class Passwords {
  private readonly decoy = this.hash(randomBytes(32).toString('base64url'));

  /** An argon2id PHC string with a salt of its own. */
  hash(password: string): Promise<string> {
    return hash(normal(password), COST);
  }

  /** Whether it is the password. Costs the same when there is none to compare with, so that nobody learns who has one. */
  async verify(passwordHash: string | null, password: string): Promise<boolean> {
    const right = await verify(passwordHash ?? (await this.decoy), normal(password));
    return right && passwordHash !== null;
  }

  /** Whether a hash was made with other parameters than those of today. */
  outdated(passwordHash: string): boolean {
    const { memoryCost, timeCost, parallelism } = parseOptions(passwordHash);
    return memoryCost !== COST.memoryCost || timeCost !== COST.timeCost || parallelism !== COST.parallelism;
  }

  /** Throws `bad_request` for a new password that anybody would try first; its length is the contract's to check. */
  checkChoice(password: string, email: string, path = 'password'): void {
    if (normal(password).trim().toLowerCase() !== email.toLowerCase()) return;
    const message = 'must not be the e-mail address';
    throw new VaneError('bad_request', `The password ${message}.`, { fields: [{ path, message }] });
  }
}

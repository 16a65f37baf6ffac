import { closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatKeyRing, parseKeyRing } from './key-ring.js';
import type { KeyRing, RingForm, RingKey } from './key-ring.js';
import { VaultError } from './vault-error.js';

/** Docker mounts secrets here with mode 0444; only the processes of the container see them. https://docs.docker.com/engine/swarm/secrets/ */
const CONTAINER_SECRETS = '/run/secrets/';
const WRITABLE_BY_OTHERS = 0o022;
const READABLE_BY_ANYBODY = 0o004;

/**
 * A ring in a file, read at every use: a rotation reaches a running process with its next data key or sealed value.
 * The first read happens here and throws a VaultError. When a later one fails, `onProblem` is told once; the keys that
 * were read last go on decrypting, but nothing new is encrypted, because the current key may have been retired meanwhile.
 */
export class FileKeyRing implements KeyRing {
  private text: string;
  private ring: KeyRing;
  private problem = '';

  constructor(
    readonly path: string,
    private readonly form: RingForm = {},
    private readonly onProblem: (error: VaultError) => void = () => undefined,
  ) {
    this.text = readKeyRingFile(path);
    this.ring = parseKeyRing(this.text, form);
  }

  get current(): RingKey {
    return this.read().current;
  }

  get all(): ReadonlyMap<string, RingKey> {
    try {
      return this.read().all;
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      if (error.message !== this.problem) this.onProblem(error);
      this.problem = error.message;
      return this.ring.all;
    }
  }

  private read(): KeyRing {
    const text = readKeyRingFile(this.path);
    if (text !== this.text) this.ring = parseKeyRing(text, this.form);
    this.text = text;
    this.problem = '';
    return this.ring;
  }
}

/** The text of a ring file. Throws a VaultError when it cannot be read, or when others than its owner could. */
export function readKeyRingFile(path: string): string {
  const file = opened(path);
  try {
    const { mode } = fstatSync(file);
    const tooOpen = (mode & WRITABLE_BY_OTHERS) !== 0 || ((mode & READABLE_BY_ANYBODY) !== 0 && !path.startsWith(CONTAINER_SECRETS));
    if (tooOpen) throw new VaultError(`The key ring file ${path} has mode ${(mode & 0o777).toString(8)}: make it readable by its owner alone (chmod 600).`);
    return readFileSync(file, 'utf8').trim();
  } finally {
    closeSync(file);
  }
}

/**
 * Replaces a ring file, whole or not at all, durable when this returns; readers see the old ring or the new one, and
 * whoever could read the old one can read the new one: owner, group and mode stay. Throws a VaultError where they cannot.
 */
export function writeKeyRingFile(path: string, keys: readonly RingKey[]): void {
  const draft = `${path}.${process.pid}`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, `${formatKeyRing(keys)}\n`);
    keepRights(file, path);
    fsyncSync(file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Gives a draft the owner, group and mode of the file that it is to replace; the apps may run as another user than the rotation. */
function keepRights(draft: number, path: string): void {
  const [old, own] = [statSync(path, { throwIfNoEntry: false }), fstatSync(draft)];
  if (!old) return;
  try {
    if (old.uid !== own.uid || old.gid !== own.gid) fchownSync(draft, old.uid, old.gid);
    fchmodSync(draft, old.mode & 0o777);
  } catch (error) {
    throw new VaultError(
      `The key ring file ${path} belongs to user ${old.uid} and group ${old.gid}, which a new one cannot be given (${(error as NodeJS.ErrnoException).code}): run this as that user or as root.`,
    );
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new VaultError(`The key ring file ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

import { runnableSpec } from '@vane/contracts';
import { VaultError } from '@vane/db';
import type { Logger } from '@vane/runtime';
import type { HttpTarget } from './http-target.js';
import { failed, type AttemptOutcome } from './outcome.js';
import type { RunDetails } from './run-details.js';
import type { Claim } from './run-store.js';
import type { ScriptTarget } from './script-target.js';
import type { SealedValues } from './sealed-values.js';

/** Runs one attempt of whatever kind its runnable is. */
export class RunExecutor {
  constructor(
    private readonly http: HttpTarget,
    private readonly script: ScriptTarget,
    private readonly sealed: SealedValues,
  ) {}

  /** Never rejects: whatever goes wrong is an outcome. Ends soon after `signal` is aborted. */
  async run(claim: Claim, details: RunDetails, signal: AbortSignal, logger: Logger): Promise<AttemptOutcome> {
    try {
      return await this.attempt(claim, details, signal);
    } catch (error) {
      logger.error({ err: error }, 'attempt failed on our side');
      if (error instanceof VaultError) {
        return failed({ fault: 'ours', code: 'secret_unreadable', message: error.message, retry: true });
      }
      return failed({ fault: 'ours', code: 'internal', message: 'The attempt failed because of a fault on our side.', retry: true });
    }
  }

  private async attempt(claim: Claim, details: RunDetails, signal: AbortSignal): Promise<AttemptOutcome> {
    const { runnable, trigger, event, replay, input } = details;
    if (!runnable) return gone('runnable_deleted', 'The runnable of this run was deleted before it could start.');
    if (!trigger) return gone('trigger_deleted', 'The trigger of this run was deleted before it could start.');
    if (!event) return gone('event_deleted', 'The event of this run is not kept any more.');
    const parsed = runnableSpec.safeParse(runnable.spec);
    if (!parsed.success) return gone('runnable_invalid', 'The runnable is stored in a form this version cannot run. Save it again.');
    const spec = parsed.data;
    const call = { claim, trigger, event, replay, input, signal };
    if (spec.kind === 'script') {
      const [secrets, auth] = await Promise.all([
        this.sealed.secrets(claim.workspaceId, spec.code),
        this.sealed.auth(claim.workspaceId, details.auth),
      ]);
      return this.script.run({ ...call, spec, secrets, auth });
    }
    if (!runnable.secretSealed) return gone('runnable_invalid', 'The HTTP target has no signing secret. Create it anew.');
    const secret = await this.sealed.targetSecret(claim.workspaceId, { id: runnable.id, secretSealed: runnable.secretSealed });
    return this.http.run({ ...call, spec, secret });
  }
}

const gone = (code: string, message: string) => failed({ fault: 'ours', code, message, retry: false });

import { VaneError, type InputOf, type OutputOf, type previewTrigger } from '@vane/contracts';
import type { Database } from '@vane/db';
import type { Json } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import { Expression, ExpressionError, mapped, passes, readFilter, type Problem, type Subject } from './language.js';
import { judgedOf, subjectOf, type Judged } from './trigger-expressions.js';

type Input = InputOf<typeof previewTrigger>;
type Output = OutputOf<typeof previewTrigger>;

const SAMPLE = { id: 'trg_00000000000000000000000000', name: 'preview' };

/** Evaluates expressions as a trigger would, on an event that is there or on a sample, and starts nothing. */
export class Previews {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws VaneError `not_found` for an event that is not there */
  async of(input: Input): Promise<Output> {
    const subject = subjectOf(SAMPLE, input.eventId === undefined ? this.sample(input) : await this.event(input.workspace, input.eventId));
    return { filter: input.filter == null ? null : filterOf(input.filter, subject), mapping: input.mapping == null ? null : mappingOf(input.mapping, subject) };
  }

  private sample({ payload = {}, type, service }: Input): Judged {
    const at = this.clock.now().toISOString();
    return { id: 'evt_00000000000000000000000000', type: type ?? 'sample', service: service ?? 'sample', occurredAt: at, receivedAt: at, payload, payloadText: JSON.stringify(payload) };
  }

  private async event(workspace: string, id: string): Promise<Judged> {
    const row = await this.database.forWorkspace(workspace).event.findFirst({ where: { id } });
    if (!row) throw new VaneError('not_found', `There is no event ${id} in this workspace, or it is not kept any more.`);
    return judgedOf(row);
  }
}

function filterOf(text: string, subject: Subject): Output['filter'] {
  const made = attempt(text, readFilter, (filter) => passes(filter, subject));
  if ('problem' in made) return { verdict: made.verdict, error: made.problem };
  return { verdict: made.value ? 'passed' : 'filtered', error: null };
}

function mappingOf(text: string, subject: Subject): Output['mapping'] {
  const made = attempt(text, (one) => new Expression(one), (mapping) => mapped(mapping, subject));
  if ('problem' in made) return { verdict: made.verdict, value: null, error: made.problem };
  return { verdict: 'mapped', value: JSON.parse(made.value) as Json, error: null };
}

function attempt<T>(text: string, read: (text: string) => Expression, use: (expression: Expression) => T): { value: T } | { verdict: 'invalid' | 'failed'; problem: Problem } {
  let verdict: 'invalid' | 'failed' = 'invalid';
  try {
    const expression = read(text);
    verdict = 'failed';
    return { value: use(expression) };
  } catch (error) {
    if (error instanceof ExpressionError) return { verdict, problem: error.problem };
    throw error;
  }
}

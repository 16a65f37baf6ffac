import { Environment, EvaluationError, ParseError, TypeError as CelTypeError } from '@marcbachmann/cel-js';
import { MAX_EXPRESSION } from '@vane/contracts';
import { Budget, LimitExceeded, Refused } from './budget.js';
import { jsonText, NoJson } from './json-text.js';

/** UTF-16 units of what a mapping may come to, as JSON. */
export const MAX_OUTPUT = 262_144;
/** Nodes and depth of an expression's tree. */
const LIMITS = { maxAstNodes: 1_000, maxDepth: 50 };

/** What an expression is about: the names it knows. */
export type Subject = {
  event: { id: string; type: string; service: string; occurredAt: string | null; receivedAt: string };
  trigger: { id: string; name: string };
  payload: unknown;
};

export type Problem = { message: string; line: number | null; column: number | null };

/** An expression that cannot be used, or could not be evaluated. `message` holds nothing of the event but names of members. */
export class ExpressionError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.line === null ? problem.message : `${problem.message} (line ${problem.line}, column ${problem.column})`);
  }
}

/** JSON does not tell whole numbers from others, so what reads them may mix them with those that an expression names. */
const mixed: [string, (a: number, b: number) => number][] = [['+', (a, b) => a + b], ['-', (a, b) => a - b], ['*', (a, b) => a * b], ['/', (a, b) => a / b], ['%', (a, b) => a % b]];

const environment = mixed
  .reduce(
    (made, [operator, of]) => made
      .registerOperator(`double ${operator} int: double`, (a: number, b: bigint) => of(a, Number(b)))
      .registerOperator(`int ${operator} double: double`, (a: bigint, b: number) => of(Number(a), b)),
    new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS }).registerOperator('double % double: double', (a: number, b: number) => a % b),
  )
  .registerVariable('event', 'map')
  .registerVariable('trigger', 'map')
  .registerVariable('payload', 'dyn');

/** An expression that has been read, and is evaluated as often as there are events. */
export class Expression {
  private readonly parsed;
  private readonly budget;
  /** Its type, as far as that is known without an event: `dyn` where it is not. */
  readonly type: string;

  /** @throws ExpressionError with the place of what is wrong */
  constructor(readonly text: string) {
    if (text.length > MAX_EXPRESSION) throw new ExpressionError({ message: `An expression may have at most ${MAX_EXPRESSION} characters.`, line: null, column: null });
    try {
      this.parsed = environment.parse(text);
      const checked = this.parsed.check();
      if (!checked.valid) throw checked.error;
      this.type = checked.type ?? 'dyn';
      this.budget = new Budget(this.parsed.ast);
    } catch (error) {
      throw new ExpressionError(problemOf(error, text));
    }
  }

  /** @throws ExpressionError */
  evaluate(subject: Subject): unknown {
    try {
      this.budget.begin();
      const value: unknown = this.parsed(subject);
      this.budget.end();
      return value;
    } catch (error) {
      throw new ExpressionError(problemOf(error, this.text));
    }
  }
}

/** @throws ExpressionError also when it cannot be a filter */
export function readFilter(text: string): Expression {
  const expression = new Expression(text);
  if (expression.type === 'bool' || expression.type === 'dyn') return expression;
  throw new ExpressionError({ message: `A filter comes to true or false; this one comes to a value of type ${expression.type}.`, line: 1, column: 1 });
}

/** @throws ExpressionError */
export function passes(filter: Expression, subject: Subject): boolean {
  const value = filter.evaluate(subject);
  if (typeof value === 'boolean') return value;
  throw new ExpressionError({ message: 'A filter comes to true or false; for this event it came to something else.', line: null, column: null });
}

/** What a mapping makes of an event, as JSON text. @throws ExpressionError */
export function mapped(mapping: Expression, subject: Subject): string {
  const value = mapping.evaluate(subject);
  try {
    return jsonText(value, MAX_OUTPUT);
  } catch (error) {
    if (error instanceof NoJson) throw new ExpressionError({ message: error.message, line: null, column: null });
    throw error;
  }
}

/**
 * A payload as expressions read it. The library asks an object for its constructor, so one that has a member of that name is
 * handed over as a map. `text` is the payload as JSON.
 */
export function readable(payload: unknown, text: string): unknown {
  return text.includes('"constructor"') ? asMaps(payload) : payload;
}

function asMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asMaps);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([name, member]) => [name, asMaps(member)]));
}

function problemOf(error: unknown, text: string): Problem {
  if (error instanceof ExpressionError) return error.problem;
  if (error instanceof Refused) return { message: error.message, ...placeOf(text, error.start) };
  if (error instanceof EvaluationError) return { message: sentence(withoutValues(error, text)), ...placeOf(text, error.range?.start) };
  if (error instanceof ParseError || error instanceof CelTypeError) return { message: sentence(error.summary), ...placeOf(text, error.range?.start) };
  const message = error instanceof Error ? error.message : String(error);
  return { message: sentence(error instanceof LimitExceeded ? message : message.split(':')[0]!), line: null, column: null };
}

/** Codes whose messages name types and places alone. */
const NAMES_TYPES = /overload|type|index_out_of|unknown_variable/;

/** What the library says ends up in notifications: a value of the event must not. A member is named if the expression names it. */
function withoutValues({ code, summary }: EvaluationError, text: string): string {
  const [said, ...rest] = summary.split(':');
  if (rest.length === 0 || NAMES_TYPES.test(code)) return summary;
  return code === 'no_such_key' && text.includes(rest.join(':').trim()) ? summary : said!;
}

/** Both from 1. */
function placeOf(text: string, start: number | undefined): Pick<Problem, 'line' | 'column'> {
  if (start === undefined) return { line: null, column: null };
  const before = text.slice(0, start).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** A long one quotes much of the expression. */
const sentence = (message: string): string => {
  const short = message.length > 300 ? `${message.slice(0, 300)}...` : message;
  return /[.!?]$/.test(short) ? short : `${short}.`;
};

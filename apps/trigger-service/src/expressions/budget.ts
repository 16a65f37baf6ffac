import type { ASTNode } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';

/** Steps that one evaluation may take. A step is one node of the expression; what reads or makes large values costs more. */
export const MAX_STEPS = 100_000;
/** UTF-16 units of a text that an expression makes, or takes apart. */
export const MAX_TEXT = 262_144;
/** UTF-16 units of a text that cost one step to read. */
const TEXT_PER_STEP = 16;
/** Of all counted repetitions of a regular expression. */
const MAX_REPEATS = 1_000;
const MAX_NEEDLE = 1_000;
const SEARCH_PER_STEP = 256;
/** UTF-16 units of a text that is read as a number, a time or a duration, or names a time zone. */
const MAX_CONVERTED = 100;
/** What a time zone takes to be looked up. */
const ZONE_STEPS = 500;

/** Thrown when an evaluation takes more than it may. */
export class LimitExceeded extends Error {}

/** Functions and methods that expressions may use. What is not here is refused when a trigger is saved. */
const FUNCTIONS = new Set(['size', 'int', 'uint', 'double', 'string', 'bool', 'dyn', 'type', 'timestamp', 'duration', 'has']);
const METHODS = new Set([
  'startsWith', 'endsWith', 'contains', 'matches', 'lowerAscii', 'upperAscii', 'trim', 'indexOf', 'lastIndexOf', 'substring', 'split', 'join', 'size',
  'all', 'exists', 'exists_one', 'map', 'filter',
  'getDate', 'getDayOfMonth', 'getDayOfWeek', 'getDayOfYear', 'getFullYear', 'getHours', 'getMilliseconds', 'getMinutes', 'getMonth', 'getSeconds',
]);
/** Methods whose result may be as large as what they are called on: that must not be larger than a text may be. */
const COPYING = new Set(['lowerAscii', 'upperAscii', 'trim', 'substring', 'split', 'matches']);
/** Functions that read a text as something else, some of them in more than linear time. */
const CONVERTING = new Set(['int', 'uint', 'double', 'bool', 'timestamp', 'duration']);
/** What looks for one text in another. */
const SEARCHING = new Set(['contains', 'indexOf', 'lastIndexOf', 'split', 'in']);
/** Operators that read their operands to the end. */
const READING = new Set(['==', '!=', 'in', '+', '<', '<=', '>', '>=']);

/** The library's tree as far as it is used here: what it evaluates is what `meta` holds when the types have been checked. */
type Evaluate = (evaluator: Evaluator, node: unknown, context: unknown) => unknown;
type Evaluator = { run(node: Node, context: unknown): unknown };
type Macro = { evaluate: Evaluate; args?: unknown };
type Node = {
  op: string; args: unknown; start: number; end: number; receiverWithArgs?: Node[]; evaluate: Evaluate;
  meta: { evaluate: Evaluate; alternate?: Node; macro?: Macro };
};

/** An expression that cannot be used, and where in its text. */
export class Refused extends Error {
  constructor(message: string, readonly start: number) {
    super(message);
  }
}

/**
 * Counts what an evaluation costs, in steps and not in time: the same event has the same verdict on every machine. Every node
 * of the tree tells it what it has come to, so neither nested loops nor texts that double nor regular expressions (RE2, whose
 * time is linear in the text) outlast the limit. The library has no limit of its own at run time.
 */
export class Budget {
  private left = 0;

  /** @throws Refused for what may not be used */
  constructor(ast: ASTNode) {
    this.meter(ast as unknown as Node, new Set());
  }

  begin(): void {
    this.left = MAX_STEPS;
  }

  /** The library takes an error for an answer where another operand decides; this one it may not. @throws LimitExceeded */
  end(): void {
    if (this.left < 0) throw exceeded();
  }

  private spend(steps: number): void {
    this.left -= steps;
    if (this.left < 0) throw exceeded();
  }

  private meter(node: Node, seen: Set<Node>): void {
    if (seen.has(node)) return;
    seen.add(node);
    for (const child of childrenOf(node)) this.meter(child, seen);
    this.admit(node);
    const inner = this.evaluatorOf(node);
    const makes = node.op === '+' || node.op === 'call' || node.op === 'rcall';
    node.evaluate = (evaluator, _node, context) => {
      this.spend(1);
      const value = inner(evaluator, node, context);
      if (makes) this.made(value);
      return value;
    };
    if (READING.has(node.op) || makes) this.weighOperands(node);
  }

  /** Values are paid for as what reads them to the end has to read them, and before it does. */
  private weighOperands(node: Node): void {
    const searching = SEARCHING.has(labelOf(node));
    // In whichever order the library asks for them.
    const both = new Map<number, unknown>();
    const limits = operandsOf(node).map((_, index) => limitOf(node, index));
    operandsOf(node).forEach((operand, index) => {
      const inner = operand.evaluate;
      operand.evaluate = (evaluator, self, context) => {
        const value = inner(evaluator, self, context);
        if (typeof value === 'string' && value.length > limits[index]!) throw new LimitExceeded(`A text of ${value.length} characters is too long for ${labelOf(node)}.`);
        this.weigh(value);
        if (searching && index < 2 && both.set(index, value).size === 2) {
          this.search(both.get(0), both.get(1));
          both.clear();
        }
        if (index === 1 && takesZone(node)) this.spend(ZONE_STEPS);
        return value;
      };
    });
  }

  private weigh(value: unknown): void {
    if (typeof value === 'string') return this.spend(Math.floor(value.length / TEXT_PER_STEP));
    if (typeof value !== 'object' || value === null) return;
    const plain = Object.getPrototypeOf(value) === Object.prototype;
    const members: Iterable<unknown> = Array.isArray(value) ? value : value instanceof Map ? value.values() : plain ? Object.values(value) : [];
    for (const member of members) {
      this.spend(1);
      this.weigh(member);
    }
  }

  private made(value: unknown): void {
    if (typeof value === 'string') {
      if (value.length > MAX_TEXT) throw new LimitExceeded(`The expression makes a text of more than ${MAX_TEXT} characters.`);
      this.spend(Math.floor(value.length / TEXT_PER_STEP));
    } else if (Array.isArray(value)) this.spend(value.length);
  }

  private admit(node: Node): void {
    if (node.op !== 'call' && node.op !== 'rcall') return;
    const name = nameOf(node);
    const known = node.op === 'call' ? FUNCTIONS : METHODS;
    if (!known.has(name)) throw new Refused(`${name} cannot be used here.`, node.start);
  }

  private evaluatorOf(node: Node): Evaluate {
    const { alternate, macro } = node.meta;
    if (alternate) return (evaluator, _node, context) => alternate.evaluate(evaluator, alternate, context);
    if (macro) return (evaluator, _node, context) => macro.evaluate(evaluator, macro, context);
    if (node.op === 'rcall' && nameOf(node) === 'matches') {
      const pattern = patternOf(operandsOf(node)[1], node.start);
      return (...given) => this.matches(node, pattern, ...given);
    }
    if (node.op === 'rcall' && nameOf(node) === 'join') return (...given) => this.join(node, ...given);
    return node.meta.evaluate;
  }

  /** Instead of the library's, which uses JavaScript's regular expressions and so can take for ever. */
  private matches(node: Node, pattern: RE2JS, evaluator: Evaluator, _node: unknown, context: unknown): boolean {
    const text = evaluator.run(receiverOf(node), context);
    if (typeof text !== 'string') throw new Error('matches works on a text.');
    // What it does for a character is at most the size of its program.
    this.spend(text.length * pattern.programSize());
    return pattern.matcher(text).find();
  }

  /** Instead of the library's, which makes the text before anybody can say that it is too long. */
  private join(node: Node, evaluator: Evaluator, _node: unknown, context: unknown): string {
    const [list, separator = ''] = operandsOf(node).map((operand) => evaluator.run(operand, context));
    if (!Array.isArray(list) || !list.every((one) => typeof one === 'string') || typeof separator !== 'string') throw new Error('join works on a list of texts.');
    const length = list.reduce((sum, one: string) => sum + one.length + separator.length, 0);
    if (length > MAX_TEXT) throw new LimitExceeded(`The expression makes a text of more than ${MAX_TEXT} characters.`);
    return list.join(separator);
  }

  /** What is searched for is short, because a search may look at all of it at each place of a text. */
  private search(a: unknown, b: unknown): void {
    if (typeof a !== 'string' || typeof b !== 'string') return;
    if (Math.min(a.length, b.length) > MAX_NEEDLE) throw new LimitExceeded(`A text that is searched for may have at most ${MAX_NEEDLE} characters.`);
    this.spend(Math.floor((a.length * b.length) / SEARCH_PER_STEP));
  }
}

/** Only of a pattern that stands in the expression: compiling is what costs most, and is done once. @throws Refused */
function patternOf(node: Node | undefined, start: number): RE2JS {
  if (node?.op !== 'value' || typeof node.args !== 'string') throw new Refused('matches takes one pattern, which has to be written as a text.', start);
  const repeats = [...node.args.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].reduce((sum, [, least, most]) => sum + Math.max(Number(least), Number(most || 0)), 0);
  if (repeats > MAX_REPEATS) throw new Refused(`The regular expression repeats its parts more than ${MAX_REPEATS} times.`, node.start);
  try {
    return RE2JS.compile(node.args);
  } catch (error) {
    throw new Refused(`The regular expression cannot be used: ${error instanceof Error ? error.message : String(error)}.`, node.start);
  }
}

const exceeded = () => new LimitExceeded(`The expression takes more than ${MAX_STEPS.toLocaleString('en')} steps for this event.`);

const nameOf = (node: Node): string => (node.args as [string])[0];
const receiverOf = (node: Node): Node => (node.args as [string, Node])[1];

/** What an operator is, or a call calls. */
const labelOf = (node: Node): string => (node.op === 'call' || node.op === 'rcall' ? nameOf(node) : node.op);

/** Calls such as `time.getHours(zone)`. */
const takesZone = (node: Node): boolean => node.op === 'rcall' && nameOf(node).startsWith('get');

/** UTF-16 units that an operand may have, as a text. */
function limitOf(node: Node, index: number): number {
  if ((node.op === 'call' && CONVERTING.has(nameOf(node))) || (index === 1 && takesZone(node))) return MAX_CONVERTED;
  return node.op === 'rcall' && index === 0 && COPYING.has(nameOf(node)) ? MAX_TEXT : Infinity;
}

/** What an operator or a call works on, its receiver first. */
function operandsOf(node: Node): Node[] {
  if (node.op === 'call') return (node.args as [string, Node[]])[1];
  if (node.op === 'rcall') return node.meta.alternate || node.meta.macro ? [] : [receiverOf(node), ...(node.args as [string, Node, Node[]])[2]];
  return node.args as Node[];
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'op' in value && 'meta' in value;

function childrenOf({ args, meta }: Node): Node[] {
  const { alternate, macro } = meta;
  return [...nodesIn(args), ...(alternate ? [alternate] : []), ...(macro ? nodesIn(macro.args) : [])];
}

/** `args` are a node, a list of lists of them, or, of a loop, an object that holds them beside other things. */
function nodesIn(value: unknown): Node[] {
  if (isNode(value)) return [value];
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  if (typeof value !== 'object' || value === null || !('step' in value)) return [];
  const { iterable, init, step } = value as { iterable: unknown; init: unknown; step: unknown };
  return [iterable, init, step].flatMap(nodesIn);
}

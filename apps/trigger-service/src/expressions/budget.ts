import type { ASTNode } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';

/** Steps that one evaluation may take. A step is one node of the expression; what reads or makes large values costs more. */
export const MAX_STEPS = 200_000;
/** UTF-16 units of a text that an expression makes, or takes apart. */
export const MAX_TEXT = 262_144;
/** UTF-16 units of a text that cost one step to read. */
const TEXT_PER_STEP = 16;
/** What a regular expression does per character is its program's size; two of that are about one step. */
const PROGRAM_PER_STEP = 2;
const MAX_PATTERNS = 100;

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
  private readonly patterns = new Map<string, RE2JS>();

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
    if (READING.has(node.op) || makes) for (const child of operandsOf(node)) this.weighed(child, node);
  }

  /** Its value is paid for as whoever reads it to the end has to read it. */
  private weighed(node: Node, by: Node): void {
    const inner = node.evaluate;
    const copied = by.op === 'rcall' && COPYING.has(nameOf(by)) && receiverOf(by) === node;
    node.evaluate = (evaluator, self, context) => {
      const value = inner(evaluator, self, context);
      if (copied && typeof value === 'string' && value.length > MAX_TEXT) throw new LimitExceeded(`A text of ${value.length} characters is too long for ${nameOf(by)}.`);
      this.weigh(value);
      return value;
    };
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
    const pattern = name === 'matches' ? operandsOf(node)[1] : undefined;
    if (pattern?.op === 'value' && typeof pattern.args === 'string') this.compiled(pattern.args, pattern.start);
  }

  private evaluatorOf(node: Node): Evaluate {
    const { alternate, macro } = node.meta;
    if (alternate) return (evaluator, _node, context) => alternate.evaluate(evaluator, alternate, context);
    if (macro) return (evaluator, _node, context) => macro.evaluate(evaluator, macro, context);
    if (node.op === 'rcall' && nameOf(node) === 'matches') return (...given) => this.matches(node, ...given);
    if (node.op === 'rcall' && nameOf(node) === 'join') return (...given) => this.join(node, ...given);
    return node.meta.evaluate;
  }

  /** Instead of the library's, which uses JavaScript's regular expressions and so can take for ever. */
  private matches(node: Node, evaluator: Evaluator, _node: unknown, context: unknown): boolean {
    const [text, pattern] = operandsOf(node).map((operand) => evaluator.run(operand, context));
    if (typeof text !== 'string' || typeof pattern !== 'string') throw new Error('matches works on a text, with a text that is the pattern.');
    const compiled = this.compiled(pattern, node.start);
    this.spend(Math.ceil((text.length * compiled.programSize()) / PROGRAM_PER_STEP));
    return compiled.matcher(text).find();
  }

  /** Instead of the library's, which makes the text before anybody can say that it is too long. */
  private join(node: Node, evaluator: Evaluator, _node: unknown, context: unknown): string {
    const [list, separator = ''] = operandsOf(node).map((operand) => evaluator.run(operand, context));
    if (!Array.isArray(list) || !list.every((one) => typeof one === 'string') || typeof separator !== 'string') throw new Error('join works on a list of texts.');
    const length = list.reduce((sum, one: string) => sum + one.length + separator.length, 0);
    if (length > MAX_TEXT) throw new LimitExceeded(`The expression makes a text of more than ${MAX_TEXT} characters.`);
    return list.join(separator);
  }

  private compiled(pattern: string, start: number): RE2JS {
    const known = this.patterns.get(pattern);
    if (known) return known;
    this.spendOnPattern(pattern);
    try {
      const made = RE2JS.compile(pattern);
      if (this.patterns.size < MAX_PATTERNS) this.patterns.set(pattern, made);
      return made;
    } catch (error) {
      throw new Refused(`The regular expression cannot be used: ${error instanceof Error ? error.message : String(error)}.`, start);
    }
  }

  /** One that is put together from the event is compiled at every use. */
  private spendOnPattern(pattern: string): void {
    if (pattern.length > 1_000) throw new LimitExceeded('A regular expression may have at most 1,000 characters.');
    if (this.left > 0) this.spend(1_000);
  }
}

const exceeded = () => new LimitExceeded(`The expression takes more than ${MAX_STEPS.toLocaleString('en')} steps for this event.`);

const nameOf = (node: Node): string => (node.args as [string])[0];
const receiverOf = (node: Node): Node => (node.args as [string, Node])[1];

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

import { badParameter } from './api.js';
import { json } from './wire.js';
import type { Answer, Request } from './wire.js';

/** What is selected: everything, or members with what is selected of them. */
export type Selection = true | Map<string, Selection>;

/**
 * Reads a `fields` parameter: `kind,files(id,parents)`, `changes/file/name`, `*`; null when it cannot be read.
 * https://developers.google.com/workspace/drive/api/guides/fields-parameter
 */
export function parseFields(text: string): Selection | null {
  let at = 0;
  const list = (depth: number): Selection | null => {
    const members = new Map<string, Selection>();
    let all = false;
    for (;;) {
      const one = path(depth);
      if (one === null) return null;
      if (one === true) all = true;
      else for (const [name, below] of one) members.set(name, merge(members.get(name), below));
      if (text[at] !== ',') break;
      at += 1;
    }
    return all ? true : members;
  };
  const path = (depth: number): Selection | null => {
    const name = /^(\*|[A-Za-z][A-Za-z0-9_]*)/.exec(text.slice(at))?.[0];
    if (name === undefined) return null;
    at += name.length;
    if (name === '*') return true;
    if (text[at] === '/') {
      at += 1;
      const below = path(depth);
      return below === null ? null : new Map([[name, below]]);
    }
    if (text[at] !== '(') return new Map<string, Selection>([[name, true]]);
    at += 1;
    const below = list(depth + 1);
    if (below === null || text[at] !== ')') return null;
    at += 1;
    return new Map([[name, below]]);
  };
  const selection = list(0);
  return at === text.length ? selection : null;
}

function merge(one: Selection | undefined, other: Selection): Selection {
  if (one === undefined) return other;
  if (one === true || other === true) return true;
  const both = new Map(one);
  for (const [name, below] of other) both.set(name, merge(both.get(name), below));
  return both;
}

/** The part of `value` that is selected; of a list, the part of each. */
export function select(value: unknown, selection: Selection): unknown {
  if (selection === true || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => select(item, selection));
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      const below = selection.get(name);
      return below === undefined ? [] : [[name, select(member, below)]];
    }),
  );
}

/** The names that a resource has, and of its members the names that they have: `true` for what is not looked into. */
export type Known = { [name: string]: true | Known };

function unknownName(selection: Selection, known: true | Known): string | null {
  if (selection === true || known === true) return null;
  for (const [name, below] of selection) {
    const member = known[name];
    if (member === undefined) return name;
    const deeper = unknownName(below, member);
    if (deeper !== null) return `${name}/${deeper}`;
  }
  return null;
}

/** A 200 with what `fields` asks of `value`, `standard` when it asks nothing, or 400 when it asks what does not exist. */
export function answerFields(request: Request, value: object, known: Known, standard: string): Answer {
  const asked = request.query.get('fields') ?? standard;
  const selection = parseFields(asked);
  const bad = selection === null ? asked : unknownName(selection, known);
  if (selection === null || bad !== null) return badParameter('fields', `Invalid field selection ${bad ?? asked}`, 'invalidParameter');
  return json(200, select(value, selection));
}

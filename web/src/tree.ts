/** Lines as a tree with sums: filtered, and like ones together where asked. */

import { addTally, type Line, noTally, type Tally, TRAINED_CALLS } from "./data";
import { type Criterion, type Span, span } from "./units";

export interface Node {
  /** The place of its first line; -1: all of them. */
  key: number;
  name: string;
  kind: string;
  /** The line itself where the node is one; of several the first one. */
  line: Line;
  lines: Line[];
  times: number;
  below: number;
  depth: number;
  parent: Node | null;
  children: Node[];
  tally: Tally;
  /** Calls of known and of unknown impact. */
  estimated: number;
  unestimated: number;
  /** The sum of what is known; of no call zeros. */
  figures: Float64Array;
  ownFigures: Float64Array;
  /** The share of training, in no figure. */
  training: Float64Array;
}

const WIDTH = 29;
export const COLOURS = ["model", "kind", "agent", "tool"] as const;
export type Colour = (typeof COLOURS)[number];

/** Whether something under it could be estimated, or nothing was to be. */
export const known = (node: Node): boolean => node.estimated > 0 || node.unestimated === 0;

export const spanOf = (node: Node, c: Criterion): Span | null =>
  node.tally.calls > 0 && known(node) ? span(node.figures, c) : null;

export const meanOf = (node: Node, c: Criterion): number => {
  const value = known(node) ? span(node.figures, c)[1] : 0;
  return Number.isNaN(value) ? 0 : value;
};

function made(line: Line, key: number, parent: Node | null): Node {
  return {
    key,
    name: line.name,
    kind: line.kind,
    line,
    lines: [],
    times: 0,
    below: 0,
    depth: parent ? parent.depth + 1 : 0,
    parent,
    children: [],
    tally: noTally(),
    estimated: 0,
    unestimated: 0,
    figures: new Float64Array(WIDTH),
    ownFigures: new Float64Array(WIDTH),
    training: new Float64Array(TRAINED_CALLS + 1),
  };
}

function take(node: Node, line: Line): void {
  node.lines.push(line);
  node.times += line.times;
  node.below += line.below;
  addTally(node.tally, line.tally);
  if (!line.own) return;
  node.estimated += line.own.estimated;
  node.unestimated += line.own.unestimated;
  if (line.own.figures) add(node.ownFigures, line.own.figures);
  if (line.own.training) add(node.training, line.own.training);
}

function add(to: Float64Array, more: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] ?? 0) + (more[i] ?? 0);
}

/**
 * The tree under one node that stands for all.
 *
 * @param lines Parents first.
 * @param wanted Which lines to count; null: all. What is above a counted line is there, too.
 * @param together Like lines under one parent in one node.
 */
export function grow(lines: Line[], wanted: Uint8Array | null, together: boolean): Node {
  const all = made({ ...(lines[0] as Line), name: "all runs", kind: "" }, -1, null);
  all.depth = -1;
  const kept = wanted ? withAncestors(lines, wanted) : null;
  const nodes: (Node | undefined)[] = new Array(lines.length);
  const like = new Map<string, Node>();
  const order: Node[] = [all];
  for (const line of lines) {
    if (kept && !kept[line.place]) continue;
    const parent = nodes[line.parent] ?? all;
    const name = together ? `${parent.key}\n${line.kind}\n${line.model}\n${line.name}` : "";
    let node = together ? like.get(name) : undefined;
    if (!node) {
      node = made(line, line.place, parent);
      parent.children.push(node);
      order.push(node);
      if (together) like.set(name, node);
    }
    nodes[line.place] = node;
    if (!wanted || wanted[line.place]) take(node, line);
    else if (!node.lines.includes(line)) keepPlace(node, line);
  }
  sumUp(order);
  return all;
}

/** A line that is there for what is under it: not counted itself. */
function keepPlace(node: Node, line: Line): void {
  node.lines.push(line);
  node.times += line.times;
}

function withAncestors(lines: Line[], wanted: Uint8Array): Uint8Array {
  const kept = wanted.slice();
  for (let place = lines.length - 1; place >= 0; place--) {
    const parent = lines[place]?.parent ?? -1;
    if (kept[place] && parent >= 0) kept[parent] = 1;
  }
  return kept;
}

/** Children before their parents. */
function sumUp(order: Node[]): void {
  for (const node of order.toReversed()) {
    add(node.figures, node.ownFigures);
    const parent = node.parent;
    if (!parent) continue;
    add(parent.figures, node.figures);
    add(parent.training, node.training);
    addTally(parent.tally, node.tally);
    parent.estimated += node.estimated;
    parent.unestimated += node.unestimated;
  }
}

export function* walk(node: Node): Generator<Node> {
  const stack = [node];
  for (let next = stack.pop(); next; next = stack.pop()) {
    yield next;
    for (let at = next.children.length - 1; at >= 0; at--) stack.push(next.children[at] as Node);
  }
}

export interface Wanted {
  text: string;
  /** Label by key: model, agent, ... */
  labels: Partial<Record<Label, string>>;
}
export const LABELS = ["model", "kind", "agent", "node", "step", "tool", "user", "status"] as const;
export type Label = (typeof LABELS)[number];

/** Which lines are asked for; null: all. What is under a line whose text matches, is, too. */
export function match(lines: Line[], wanted: Wanted): Uint8Array | null {
  const text = wanted.text.trim().toLowerCase();
  const labels = Object.entries(wanted.labels) as [Label, string][];
  if (!text && !labels.length) return null;
  const found = new Uint8Array(lines.length);
  const named = new Uint8Array(lines.length);
  for (const line of lines) {
    const above = line.parent >= 0 && named[line.parent];
    if (!text || above || says(line, text)) named[line.place] = 1;
    const fits = labels.every(([key, value]) => (line[key] ?? "") === value);
    if (named[line.place] && fits) found[line.place] = 1;
  }
  return found;
}

function says(line: Line, text: string): boolean {
  return [line.name, line.kind, line.model, line.id, line.agent, line.tool, line.user, line.status]
    .concat(line.thread, line.tags)
    .some((one) => one?.toLowerCase().includes(text));
}

/** The label that all calls under a node have in common; null: none, or several. */
export function labelled(root: Node, by: Colour): Map<Node, string | null> {
  const out = new Map<Node, string | null | undefined>();
  for (const node of [...walk(root)].toReversed()) {
    let own: string | null | undefined = out.get(node);
    if (by === "kind") own = node.kind;
    else if (node.line[by] && (by !== "model" || node.tally.calls)) own = node.line[by];
    else if (node.ownFigures[1]) own = null;
    out.set(node, own);
    const parent = node.parent;
    if (!parent || by === "kind" || own === undefined) continue;
    out.set(parent, out.has(parent) && out.get(parent) !== own ? null : own);
  }
  return out as Map<Node, string | null>;
}

/** Which label has which colour: the largest ones their own, the others grey. */

import { type Colour, labelled, meanOf, type Node, walk } from "./tree";
import { CRITERIA, type Criterion } from "./units";

/** Of Paul Tol's "bright" scheme, which colour-blind readers can tell apart; values in page.css. */
const HUES = 6;

export interface Colours {
  /** The label's number, 0 the largest; -1: grey. */
  of(node: Node): number;
  label(node: Node): string | null;
  /** Labels with a colour of their own, and whether there are others. */
  legend: { label: string; hue: number }[];
}

export function coloursBy(by: Colour, all: Node): Colours {
  const labels = labelled(all, by);
  const sums = new Map<string, number>();
  const gwp = CRITERIA[0] as Criterion;
  for (const node of walk(all)) {
    const label = labels.get(node);
    if (label == null || node.key < 0) continue;
    const whole = node.parent && labels.get(node.parent) === label ? 0 : meanOf(node, gwp);
    sums.set(label, (sums.get(label) ?? 0) + whole);
  }
  const order = [...sums].sort((a, b) => b[1] - a[1]).map(([label]) => label);
  const hues = new Map(order.slice(0, HUES).map((label, hue) => [label, hue]));
  return {
    of: (node) => hues.get(labels.get(node) ?? "") ?? -1,
    label: (node) => labels.get(node) ?? null,
    legend: [...hues].map(([label, hue]) => ({ label, hue })),
  };
}

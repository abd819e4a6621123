/** Rows as text for a spreadsheet, and onto the clipboard. */

import type { TreeRow } from "./table";
import { known } from "./tree";
import { type Criterion, type CriterionKey, span, trained } from "./units";

/** The stems of the columns that tables and files of impactree have. */
const COLUMNS: Record<CriterionKey, string> = {
  gwp: "gwp_kgco2eq",
  energy: "energy_kwh",
  wcf: "water_l",
  pe: "pe_mj",
  adpe: "adpe_kgsbeq",
};

const ENDS = ["min", "mean", "max"];

/** A text that a spreadsheet takes for text: no formula, no tab, no line of its own. */
export function cell(value: string): string {
  const flat = value.replace(/[\t\r\n\0]+/g, " ");
  return /^\s*[=+\-@|%＝＋－＠]/.test(flat) ? `' ${flat}` : flat;
}

export function rowsAsText(rows: TreeRow[], c: Criterion): string {
  const stem = COLUMNS[c.key];
  const head = ["level", "run", "times", "kind", "model", "calls", "input_tokens", "output_tokens"];
  const named = (what: string) => ENDS.map((end) => `${what}_${end}`);
  const trains = rows.some(({ original: node }) => trained(node.training, c));
  const figures = [...named(stem), ...(trains ? named(`training_${stem}`) : [])];
  const lines = [[...head, "elapsed_s", ...figures].join("\t")];
  for (const { original: node } of rows) {
    const value = known(node) && node.tally.calls > 0 ? span(node.figures, c) : [];
    const share = trained(node.training, c) ?? [];
    const seconds = node.lines.reduce((sum, line) => sum + line.elapsed_s, 0);
    const cells = [
      String(node.depth + 1),
      cell(node.name),
      String(node.times),
      node.kind,
      cell(node.line.model ?? ""),
      String(node.tally.calls),
      String(node.tally.inputs),
      String(node.tally.outputs),
      String(seconds),
      ...[value, ...(trains ? [share] : [])].flatMap((ends) =>
        [0, 1, 2].map((end) => (Number.isFinite(ends[end]) ? String(ends[end]) : "")),
      ),
    ];
    lines.push(cells.join("\t"));
  }
  return `${lines.join("\n")}\n`;
}

/** Whether it is on the clipboard. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

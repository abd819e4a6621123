import { expect, test } from "vitest";
import { cell, rowsAsText } from "../src/copying";
import { linesOf } from "../src/data";
import { parse, START, type State, write } from "../src/state";
import { nextSort, rowsOf, tableOf, unfolded } from "../src/table";
import { grow } from "../src/tree";
import { criterion } from "../src/units";
import { AGENT, page } from "./sample";

const gwp = criterion("gwp");
const all = grow(linesOf(page(AGENT)), null, false);
const rows = (changes: Partial<State>) => {
  const state = { ...START, ...changes };
  return rowsOf(tableOf(all, gwp), all, state.sort, unfolded(all, state));
};
const keys = (changes: Partial<State>) => rows(changes).map((row) => row.original.key);

test("the tree unfolds whole where it is small, and folds by the reader's word", () => {
  expect(keys({})).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(keys({ fold: "none" })).toEqual([0]);
  expect(keys({ fold: "none", turned: [0, 3] })).toEqual([0, 1, 3, 4, 6, 8]);
  expect(keys({ fold: "all", turned: [3] })).toEqual([0, 1, 2, 3, 6, 7, 8, 9]);
});

test("sorting orders siblings under each parent", () => {
  expect(keys({ fold: "none", turned: [0], sort: "-value" })).toEqual([0, 3, 6, 1, 8]);
  expect(keys({ fold: "none", turned: [0], sort: "value" })).toEqual([0, 8, 1, 6, 3]);
  expect(keys({ fold: "none", turned: [0], sort: "-name" })).toEqual([0, 3, 1, 6, 8]);
  expect(["", "-calls", "calls"].map((sort) => nextSort(sort, "calls"))).toEqual([
    ...["-calls", "calls", ""],
  ]);
});

test("copied rows are a table, and no text of them is a formula", () => {
  const [head, ...lines] = rowsAsText(rows({}), gwp).replace(/\n$/, "").split("\n");
  expect(head?.split("\t").slice(-3)).toEqual([
    ...["gwp_kgco2eq_min", "gwp_kgco2eq_mean", "gwp_kgco2eq_max"],
  ]);
  expect(lines).toHaveLength(10);
  expect(lines[4]?.split("\t")[1]).toBe("' =search");
  expect(Number(lines[5]?.split("\t").at(-2))).toBeCloseTo(10e-6, 15);
  expect(lines[9]?.split("\t").slice(-3)).toEqual(["", "", ""]);
  expect(cell("a\tb\nc")).toBe("a b c");
});

test("the address holds what was chosen, and nothing that was not", () => {
  expect(write(START)).toBe("");
  const chosen: State = {
    ...{ criterion: "wcf", colour: "agent", zoom: 3, picked: 5, text: "a b&c=ü", sort: "-value" },
    labels: { model: "gpt-4o", user: "" },
    ...{ together: false, fold: "all", turned: [1, 2], by: "agent", theme: "dark" },
  };
  expect(parse(`#${write(chosen)}`)).toEqual(chosen);
});

test("an address that says nonsense is read as nothing chosen", () => {
  expect(parse("#show=coal&zoom=-4&theme=pink&sort=&turned=x.1e9&fold=0")).toEqual(START);
});

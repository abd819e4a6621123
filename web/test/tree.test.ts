import { expect, test } from "vitest";
import { coloursBy } from "../src/colours";
import { linesOf, visible } from "../src/data";
import { inLanes, MOST_LANES } from "../src/lanes";
import { grow, known, match, meanOf, spanOf, walk } from "../src/tree";
import { criterion, span, trained } from "../src/units";
import { AGENT, page, type Sample } from "./sample";

const gwp = criterion("gwp");
const lines = linesOf(page(AGENT));
const names = (root: ReturnType<typeof grow>) => [...walk(root)].slice(1).map((n) => n.name);

test("sums are those of the calls under a node: low to low, mean to mean, high to high", () => {
  const all = grow(lines, null, false);
  const total = spanOf(all, gwp) ?? [];
  expect(total[0]).toBeCloseTo(8e-6, 15);
  expect(total[1]).toBeCloseTo(16e-6, 15);
  expect(total[2]).toBeCloseTo(24e-6, 15);
  expect([all.tally.calls, all.tally.inputs, all.estimated, all.unestimated]).toEqual([
    4, 40, 3, 1,
  ]);
  expect(meanOf(all.children[0]?.children[1] ?? all, gwp)).toBeCloseTo(10e-6, 15);
});

test("what could not be estimated has no value, what called no model none either", () => {
  const last = [...walk(grow(lines, null, false))].at(-1);
  expect(last && known(last)).toBe(false);
  expect(last && spanOf(last, gwp)).toBeNull();
  const bare = grow(linesOf(page([{ parent: -1, name: "x", kind: "chain" }])), null, false);
  expect(spanOf(bare, gwp)).toBeNull();
});

test("an unknown criterion stays unknown in sums", () => {
  expect(span(grow(lines, null, false).figures, criterion("wcf"))[1]).toBeNaN();
});

test("like runs under one parent are one node, others are not, and the sum is the same", () => {
  const all = grow(lines, null, true);
  expect(names(all)).toEqual(["agent", "model", "Chat", "Chat", "tools", "=search", "Chat"]);
  const model = all.children[0]?.children[0];
  expect(model?.times).toBe(3);
  expect(model?.children.map((node) => [node.line.model, node.times])).toEqual([
    ["small", 2],
    ["odd", 1],
  ]);
  expect(meanOf(all, gwp)).toBeCloseTo(meanOf(grow(lines, null, false), gwp), 15);
});

test("a filter counts the calls that match, and shows what is above them", () => {
  const all = grow(lines, match(lines, { text: "", labels: { agent: "b" } }), false);
  expect(names(all)).toEqual(["agent", "tools", "=search", "Chat"]);
  expect(meanOf(all, gwp)).toBeCloseTo(10e-6, 15);
  expect(all.tally.calls).toBe(1);
});

test("a text finds names, models and ids, with what is under them", () => {
  const found = (text: string) => {
    const wanted = match(lines, { text, labels: {} });
    return wanted && [...wanted].flatMap((one, place) => (one ? [place] : []));
  };
  expect(found(" SEARCH ")).toEqual([4, 5]);
  expect(found("large")).toEqual([5]);
  expect(found("id-7")).toEqual([7]);
  expect(found("nothing like it")).toEqual([]);
  expect(found("")).toBeNull();
});

test("labels have colours, the costliest first; what has several is grey", () => {
  const all = grow(lines, null, false);
  const colours = coloursBy("model", all);
  expect(colours.legend.map((one) => one.label).slice(0, 2)).toEqual(["large", "small"]);
  expect(colours.of(all)).toBe(-1);
  expect(colours.label(all.children[0]?.children[0] ?? all)).toBe("small");
});

test("calls at the same time have lanes of their own, others share one", () => {
  const call = (begin_s: number, elapsed_s: number): Sample => ({
    ...{ parent: -1, name: "c", kind: "chat", mg: 1 },
    begin_s,
    elapsed_s,
  });
  const some = inLanes(linesOf(page([call(0, 2), call(1, 2), call(2, 1), call(3, 1)])));
  expect(some.calls.map((one) => one.lane)).toEqual([0, 1, 0, 0]);
  expect([some.lanes, some.needed, some.end_s]).toEqual([2, 2, 4]);
  const many = inLanes(linesOf(page(Array.from({ length: 100 }, () => call(0, 1)))));
  expect([many.lanes, many.needed]).toEqual([MOST_LANES, 100]);
});

test("what cannot be seen is shown escaped", () => {
  expect(visible("a\u202eb\u0000c\u200bd é 漢")).toBe("a\\u202eb\\x00c\\u200bd é 漢");
});

test("calls of folded lines are told where they have no bar of their own", () => {
  const runs: Sample[] = [
    { parent: -1, name: "deep", kind: "agent", mg: 5 },
    { parent: -1, name: "like ones", kind: "chat", mg: 5 },
    { parent: -1, name: "one", kind: "chat", mg: 5, begin_s: 2 },
  ];
  const data = page(runs);
  Object.assign(data.lines, { times: [1, 7, 1], timed: [1, 7, 1] });
  data.lines.tally.calls = [4, 7, 1];
  const { calls, drawn, left } = inLanes(linesOf(data));
  expect([calls.length, drawn, left]).toEqual([2, 5, 7]);
});

test("a column may be few factors of another one, and training is in no figure", () => {
  const data = page(AGENT);
  const before = grow(linesOf(data), null, false);
  data.lines.own.figures.gwp_usage_mean = { of: "energy_mean", values: [3], at: 0 };
  data.lines.own.training = {
    having: [0, 1],
    calls: 1,
    figures: {
      ...{ energy_min: 1, energy_mean: [2, 3], energy_max: 4, wcf_mean: null },
      ...{ gwp_mean: { of: "energy_mean", values: [10, 100], at: [1, 0] } },
    },
  };
  const all = grow(linesOf(data), null, false);
  expect(all.figures[4]).toBeCloseTo(3 * (before.figures[1] ?? 0), 15);
  expect(all.figures[1]).toBe(before.figures[1]);
  expect(trained(all.training, criterion("energy"))).toEqual([2, 5, 8]);
  expect(trained(all.training, gwp)?.[1]).toBe(2 * 100 + 3 * 10);
  expect(trained(all.training, criterion("wcf"))?.[1]).toBeNaN();
  expect(all.training[15]).toBe(2);
  expect(trained(before.training, gwp)).toBeNull();
});

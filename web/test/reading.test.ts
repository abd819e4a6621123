import { describe, expect, it } from "vitest";
import { FIGURES } from "../src/data";
import { readReport } from "../src/reading";

const value = (min: number, mean: number, max: number) => ({ value: { min, mean, max } });
const phase = { energy: value(1, 2, 3), gwp: value(1, 2, 3), adpe: null, pe: value(4, 5, 6) };
const own = {
  ...{ usage: { ...phase, wcf: value(7, 8, 9) }, embodied: { ...phase, adpe: value(0, 0, 0) } },
  ...{ energy_parts: null, errors: null, grade: "exact", source: "estimated", training: null },
  ...{ warnings: [{ code: "odd", message: "It is odd." }] },
  ...{ estimated_calls: 1, unestimated_calls: 0 },
};
const call = {
  model: "m",
  kind: "chat",
  input_tokens: 10,
  output_tokens: 4,
  tokens_source: "counted",
};
const run = {
  kind: "chat",
  status: "ok",
  start: 5,
  end: 7,
  latency_s: 2,
  parent_id: "a",
  call,
  own,
};
const REPORT = {
  ...{ format: 2, method: "m-1", zone: null, catalog_version: "v", calls: 3 },
  total: { gwp_market_based: null, training: null, lower_bound: true },
  coverage: { calls: 3, estimated: 1, not_estimated: 1, cached: 1, grades: { exact: 2 } },
  finished_runs: 4,
  runs: [
    { ...run, id: "a", name: "top\u202e", kind: "agent", parent_id: null, call: null, own: null },
    { ...run, id: "b", name: "one", agent: "ann" },
    { ...run, id: "c", name: "lost", own: null },
    { ...run, id: "d", name: "again", cached: true },
  ],
};
const read = (changes: object) => readReport(JSON.stringify({ ...REPORT, ...changes }));

describe("a report that is read", () => {
  it("has a line for each run, with its figures in their places", () => {
    const { lines, title, start_s } = read({});
    expect(title).toBe("top\\u202e");
    expect(start_s).toBe(5);
    expect(lines.map((line) => line.parent)).toEqual([-1, 0, 0, 0]);
    const figures = lines[1]?.own?.figures;
    expect(figures?.[FIGURES.indexOf("wcf_mean")]).toBe(8);
    expect(figures?.[FIGURES.indexOf("pe_embodied_max")]).toBe(6);
    expect(figures?.[FIGURES.indexOf("adpe_usage_min")]).toBeNaN(); // nobody publishes it
    expect(lines[2]?.own).toMatchObject({ estimated: 0, unestimated: 1, figures: null });
  });

  it("counts no tokens of what a cache answered", () => {
    const { groups } = read({});
    expect(groups.model).toHaveLength(1);
    expect(groups.model?.[0]?.tally).toMatchObject({ calls: 3, cached: 1, inputs: 20, counted: 2 });
    expect(groups.agent?.map((group) => group.label)).toEqual(["ann", null]);
  });

  it("asks once for each model, place and day, and groups by who answers", () => {
    const other = { ...call, model: "n", kind: "image", count: 2 };
    const runs = [...REPORT.runs, { ...run, id: "e", name: "two", call: other }];
    const { asked, byHost } = read({ runs });
    const place = { provider: null, requested: null, base_url: null, zone: null, region: null };
    const told = { ...place, method: "m-1", at: "1970-01-01" };
    const tokens = { input_tokens: 10, cached_input_tokens: null, output_tokens: 4 };
    expect(asked).toEqual([
      { ...told, model: "m", kind: "chat", ...tokens },
      { ...told, model: "n", kind: "image", count: 2 },
    ]);
    const groups = byHost(["a host", null]).map(({ label, tally }) => `${label} ${tally.calls}`);
    expect(groups.sort()).toEqual(["a host 3", "null 1"]);
  });

  it("says what it stands on", () => {
    const said = Object.fromEntries(read({}).notes.map((one) => [one.name, one.sentences]));
    expect(said["coverage"]?.[0]).toBe("1 of 3 calls estimated, 1 not estimated, 1 from a cache");
    expect(said["warnings"]).toEqual(["odd (2 calls): It is odd."]);
    expect(said["history"]).toEqual(["3 older runs no longer kept, in no figure above"]);
  });

  it("may be of format 1, without means: the middle stands in", () => {
    const old = { usage: { ...own.usage, wcf: { value: { min: 7, max: 11 } } } };
    const runs = [REPORT.runs[0], { ...REPORT.runs[1], own: { ...own, ...old } }];
    const { lines } = read({ format: 1, runs });
    expect(lines[1]?.own?.figures?.[FIGURES.indexOf("wcf_mean")]).toBe(9);
  });

  it("sums up groups beyond forty", () => {
    const runs = Array.from({ length: 45 }, (_, n) => ({
      ...{ ...run, id: `r${n}`, name: "x", parent_id: null },
      call: { ...call, model: `m${n}` },
      own: n < 44 ? own : { ...own, usage: { ...own.usage, gwp: value(1, 99, 100) } },
    }));
    const groups = read({ runs }).groups.model ?? [];
    expect(groups).toHaveLength(41);
    expect(groups[0]?.label).toBe("m44"); // the dearest
    expect(groups[40]).toMatchObject({ others: 5, tally: { calls: 5 } });
  });

  it.each([
    ["no list", { runs: {} }, "its runs are no list"],
    ["a later format", { format: 3 }, "newer than this page reads"],
    ["no run", { runs: [null] }, "runs[0] has no id"],
    ["no time", { runs: [{ ...run, id: "a", name: "b", start: null }] }, "runs[0] has no start"],
    ["no coverage", { coverage: null }, "no report of impactree"],
  ])("is refused with a reason: %s", (_, changes, said) => {
    expect(() => read(changes)).toThrow(said);
  });

  it("is refused where it is no JSON", () => {
    expect(() => readReport("{")).toThrow("it is no JSON");
    expect(() => readReport("[]")).toThrow("it is no object");
  });
});

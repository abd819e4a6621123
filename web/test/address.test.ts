import { describe, expect, it } from "vitest";
import { parse, type State, write } from "../src/app/address";
import { ownOf, ownValue } from "../src/app/request";

describe("the address of the server's page", () => {
  it("reopens what was chosen", () => {
    const state: State = {
      ...parse(""),
      mode: "expert",
      fields: { model: "gpt-4o", input: "12", region: "eu-west-3", pue: "1.1 to 1.3" },
      theme: "dark",
    };
    expect(parse(`#${write(state)}`)).toEqual(state);
  });

  it("keeps the alternatives and the uses of their modes alone", () => {
    const uses = [{ who: "A & B", model: "gpt-4o", region: "swedencentral", months: "3" }];
    const alternatives = [{ model: "o3", provider: "openai" }, { zone: "SWE" }];
    const state: State = { ...parse(""), uses, alternatives };
    expect(parse(write({ ...state, mode: "organisation" })).uses).toEqual(uses);
    expect(parse(write({ ...state, mode: "compare" })).alternatives).toEqual(alternatives);
    expect(write({ ...state, mode: "one" })).not.toContain("SWE");
  });

  it("names the run that is shown", () => {
    const state: State = { ...parse(""), mode: "runs", by: "user", since: "7d", run: "a/b?c=1" };
    expect(parse(write(state))).toEqual(state);
  });

  it("takes any nonsense", () => {
    for (const said of ["mode=nothing", "uses=%7B", "uses=[1,[2]]", "theme=red&by=", "%%%"])
      expect(parse(said).mode).toBe("one");
  });
});

describe("figures of one's own", () => {
  it.each([
    ["440", [440, 440]],
    ["44 to 132", [44, 132]],
    ["1.1-1.3", [1.1, 1.3]],
    ["1 200 – 1,300", [1200, 1300]],
    ["", undefined],
    ["many", "many"],
    ["1 to 2 to 3", "1 to 2 to 3"],
    ["5 to", "5 to"],
  ])("reads %j as %j", (typed, read) => {
    expect(ownValue(typed, true)).toEqual(read);
  });

  it("are sent as far as they are entered", () => {
    const typed = { gwp: "1e-1", pue: "1.2", model: "x", layers: "61" };
    expect(ownOf(typed, false)).toEqual({ gwp: 0.1, pue: [1.2, 1.2] });
    expect(ownOf(typed, true)).toEqual({ gwp: 0.1, pue: [1.2, 1.2], layers: 61 });
    expect(ownOf({ model: "x" }, true)).toBeUndefined();
  });
});

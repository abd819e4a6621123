import { FIGURES, PARTS, type PageData } from "../src/data";

/** What the sample's runs are; `mg`: the call's greenhouse gases, kgCO2eq 1e-6, null: not estimated. */
export interface Sample {
  parent: number;
  name: string;
  kind: string;
  model?: string;
  agent?: string;
  mg?: number | null;
  begin_s?: number;
  elapsed_s?: number;
}

const coded = (values: (string | null)[]) => ({
  values: [...new Set(values)],
  at: values.map((value) => [...new Set(values)].indexOf(value)),
});

/** Figures of a call: usage 1 to 3 times `mg`, mean 2; nothing embodied; water unknown. */
function figures(mg: number[]): Record<string, unknown> {
  const column = (times: number) => mg.map((one) => one * times * 1e-6);
  const ends: Record<string, number> = { min: 1, mean: 2, max: 3 };
  const named = FIGURES.map((name) => {
    const [stem, end] = [name.slice(0, name.lastIndexOf("_")), name.split("_").at(-1) ?? ""];
    if (stem === "wcf") return [name, null];
    if (stem.endsWith("embodied")) return [name, 0];
    return [name, column(ends[end] ?? 0)];
  });
  return Object.fromEntries([...named, ...PARTS.map((part) => [`part_${part}`, "energy_mean"])]);
}

export function page(runs: Sample[]): PageData {
  const calls = runs.flatMap((run, place) => (run.mg === undefined ? [] : [place]));
  const known = calls.filter((place) => runs[place]?.mg != null);
  const text = (key: "name" | "kind" | "model" | "agent") =>
    coded(runs.map((run) => run[key] ?? null));
  const nobody = coded(runs.map(() => null));
  const tally = (each: (run: Sample) => number) => runs.map(each);
  const isCall = (run: Sample) => (run.mg === undefined ? 0 : 1);
  return {
    page: 1,
    lines: {
      parent: runs.map((run) => run.parent),
      times: 1,
      below: 0,
      id: runs.map((_, place) => `id-${place}`),
      name: text("name"),
      kind: text("kind"),
      status: coded(runs.map(() => "ok")),
      model: text("model"),
      agent: text("agent"),
      ...{ provider: nobody, node: nobody, step: nobody, thread: nobody },
      ...{ tool: nobody, user: nobody, said: nobody },
      start_s: 0,
      begin_s: runs.map((run) => run.begin_s ?? 0),
      elapsed_s: runs.map((run) => run.elapsed_s ?? 1),
      timed: 1,
      tally: {
        ...{ runs: 1, cached: 0, cached_inputs: 0, cache_writes: 0, reasoning: 0 },
        ...{ unknown_inputs: 0, unknown_outputs: 0, counted: 0, latency_s: 0 },
        calls: tally(isCall),
        inputs: tally((run) => 10 * isCall(run)),
        outputs: tally((run) => 5 * isCall(run)),
      },
      own: {
        at: calls,
        estimated: calls.map((place) => (known.includes(place) ? 1 : 0)),
        unestimated: calls.map((place) => (known.includes(place) ? 0 : 1)),
        ...{ grade: nobody, source: nobody, errors: nobody, warnings: nobody },
        having: known.map((place) => calls.indexOf(place)),
        figures: figures(known.map((place) => runs[place]?.mg ?? 0)),
      },
      avoided: {
        ...{ at: [], estimated: 0, unestimated: 0, having: [], figures: {} },
        ...{ grade: nobody, source: nobody, errors: nobody, warnings: nobody },
      },
    },
  } as unknown as PageData;
}

/** An agent of two rounds, the second call of another model, the third not estimated. */
export const AGENT: Sample[] = [
  { parent: -1, name: "agent", kind: "agent", agent: "a" },
  { parent: 0, name: "model", kind: "node", agent: "a" },
  { parent: 1, name: "Chat", kind: "chat", model: "small", agent: "a", mg: 1 },
  { parent: 0, name: "tools", kind: "node", agent: "a" },
  { parent: 3, name: "=search", kind: "tool", agent: "a" },
  { parent: 4, name: "Chat", kind: "chat", model: "large", agent: "b", mg: 5 },
  { parent: 0, name: "model", kind: "node", agent: "a" },
  { parent: 6, name: "Chat", kind: "chat", model: "small", agent: "a", mg: 2 },
  { parent: 0, name: "model", kind: "node", agent: "a" },
  { parent: 8, name: "Chat", kind: "chat", model: "odd", agent: "a", mg: null },
];

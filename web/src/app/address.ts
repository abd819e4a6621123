/** What can be shared of the page, in the address's fragment; pasted text never is. */

import { useCallback, useEffect, useState } from "preact/hooks";

export const MODES = [
  "one",
  "expert",
  "compare",
  "organisation",
  "runs",
  "video",
  "method",
] as const;
export type Mode = (typeof MODES)[number];

/** Fields of a request as they are typed; empty: left out. */
export type Fields = Partial<Record<FieldName, string>>;
export const FIELD_NAMES = [
  ...["task", "model", "provider", "zone", "region", "method"],
  ...["input", "cached", "output", "reasoning", "latency"],
  ...["accelerator", "count", "batch", "precision", "parallelism"],
  ...["layers", "experts", "active_experts", "kv_bytes"],
  ...["total", "active", "pue", "wue_dc", "gwp", "wue", "pe", "adpe"],
  ...["film", "resolution", "seconds", "sound"],
] as const;
export type FieldName = (typeof FIELD_NAMES)[number];
export const ALTERNATIVE_NAMES = ["model", "provider", "region", "zone"] as const;
export type Alternative = Partial<Record<(typeof ALTERNATIVE_NAMES)[number], string>>;
export const MOST_ALTERNATIVES = 6;

/** Of a use of an organisation; as the server names them. */
export const USE_NAMES = [
  ...["who", "people", "requests_per_day", "model", "provider", "region", "zone"],
  ...["input_tokens", "cached_input_tokens", "output_tokens", "from_month", "months"],
] as const;
export type Use = Partial<Record<(typeof USE_NAMES)[number], string>>;

export interface State {
  mode: Mode;
  fields: Fields;
  alternatives: Alternative[];
  uses: Use[];
  /** Of the database: what its totals are by, since when, and which run is shown. */
  by: string;
  since: string;
  run: string;
  theme: "auto" | "light" | "dark";
}

const START: Fields = {
  task: "chat",
  model: "gpt-4o-mini",
  provider: "openai",
  method: "ecologits-0.11",
  input: "2400",
  cached: "2000",
  output: "400",
};

const USES: Use[] = [
  {
    ...{ who: "Support", people: "40", requests_per_day: "25", from_month: "1" },
    ...{ model: "gpt-4o-mini", provider: "openai", input_tokens: "900", output_tokens: "250" },
  },
  {
    ...{ who: "Developers", people: "12", requests_per_day: "60", from_month: "1" },
    ...{ model: "claude-haiku-4-5", provider: "anthropic" },
    ...{ input_tokens: "12000", cached_input_tokens: "9000", output_tokens: "700" },
  },
];

/** Each use as a list of its values, in the order of their names. */
function readUses(said: string | null): Use[] {
  try {
    const rows: unknown = JSON.parse(said ?? "");
    if (!Array.isArray(rows)) return USES;
    return rows.map((row: unknown) =>
      Object.fromEntries(
        USE_NAMES.flatMap((name, place) => {
          const value: unknown = Array.isArray(row) ? row[place] : "";
          return typeof value === "string" && value ? [[name, value]] : [];
        }),
      ),
    );
  } catch {
    return USES;
  }
}

export function parse(fragment: string): State {
  const said = new URLSearchParams(fragment.replace(/^#/, ""));
  const has = FIELD_NAMES.some((name) => said.has(name));
  const fields: Fields = has ? {} : { ...START };
  for (const name of FIELD_NAMES) {
    const value = said.get(name);
    if (value) fields[name] = value;
  }
  const alternatives: Alternative[] = [];
  for (let place = 0; place < MOST_ALTERNATIVES; place++) {
    const one: Alternative = {};
    for (const name of ALTERNATIVE_NAMES) {
      const value = said.get(`${place + 1}.${name}`);
      if (value) one[name] = value;
    }
    if (Object.keys(one).length) alternatives.push(one);
  }
  const mode = said.get("mode") as Mode;
  const theme = said.get("theme");
  return {
    mode: MODES.includes(mode) ? mode : "one",
    fields,
    alternatives: alternatives.length ? alternatives : [{ model: "gpt-4o" }, { zone: "SWE" }],
    uses: readUses(said.get("uses")),
    by: said.get("by") || "day",
    since: said.get("since") ?? "",
    run: said.get("run") ?? "",
    theme: theme === "light" || theme === "dark" ? theme : "auto",
  };
}

export function write(state: State): string {
  const said = new URLSearchParams({ mode: state.mode });
  for (const name of FIELD_NAMES) if (state.fields[name]) said.set(name, state.fields[name] ?? "");
  if (state.mode === "compare")
    state.alternatives.forEach((one, place) => {
      for (const name of ALTERNATIVE_NAMES)
        if (one[name]) said.set(`${place + 1}.${name}`, one[name] ?? "");
    });
  if (state.mode === "organisation")
    said.set("uses", JSON.stringify(state.uses.map((u) => USE_NAMES.map((name) => u[name] ?? ""))));
  if (state.mode === "runs")
    for (const name of ["by", "since", "run"] as const)
      if (state[name]) said.set(name, state[name]);
  if (state.theme !== "auto") said.set("theme", state.theme);
  return said.toString();
}

export type Change = (changes: Partial<State>) => void;

export function useAddress(): [State, Change] {
  const [state, setState] = useState(() => parse(location.hash));
  useEffect(() => {
    const follow = () => setState(parse(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const change = useCallback<Change>((changes) => setState((now) => ({ ...now, ...changes })), []);
  useEffect(() => {
    const fragment = write(state);
    if (fragment !== location.hash.replace(/^#/, ""))
      history.replaceState(null, "", `${location.pathname}#${fragment}`);
    document.documentElement.dataset["theme"] = state.theme;
  }, [state]);
  return [state, change];
}

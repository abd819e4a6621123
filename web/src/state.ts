/** What the reader has chosen: kept in the address's fragment, so that a link shows the same. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { COLOURS, type Colour, LABELS, type Label } from "./tree";
import { CRITERIA, type CriterionKey } from "./units";

export interface State {
  criterion: CriterionKey;
  colour: Colour;
  /** Keys of nodes. */
  zoom: number;
  picked: number;
  text: string;
  labels: Partial<Record<Label, string>>;
  sort: string;
  /** Like runs together; null: as their number suggests. */
  together: boolean | null;
  fold: "auto" | "all" | "none";
  /** Nodes that are folded otherwise than `fold` says. */
  turned: number[];
  by: string;
  theme: "auto" | "light" | "dark";
}

export const START: State = {
  criterion: "gwp",
  colour: "model",
  zoom: -1,
  picked: -1,
  text: "",
  labels: {},
  sort: "",
  together: null,
  fold: "auto",
  turned: [],
  by: "",
  theme: "auto",
};

const MOST_TURNED = 200;
const one = <T extends string>(value: string | null, of: readonly T[], or: T): T =>
  of.includes(value as T) ? (value as T) : or;
const whole = (value: string | null): number =>
  /^\d{1,9}$/.test(value ?? "") ? Number(value) : -1;

export function parse(fragment: string): State {
  const said = new URLSearchParams(fragment.replace(/^#/, ""));
  const labels: State["labels"] = {};
  for (const key of LABELS) if (said.has(key)) labels[key] = said.get(key) ?? "";
  return {
    criterion: one(
      said.get("show"),
      CRITERIA.map((c) => c.key),
      START.criterion,
    ),
    colour: one(said.get("colour"), COLOURS, START.colour),
    zoom: whole(said.get("zoom")),
    picked: whole(said.get("run")),
    text: said.get("find") ?? "",
    labels,
    sort: said.get("sort") ?? "",
    together: said.has("together") ? said.get("together") === "1" : null,
    fold: one(said.get("fold"), ["auto", "all", "none"], START.fold),
    turned: (said.get("turned") ?? "")
      .split(".")
      .map(whole)
      .filter((key) => key >= 0),
    by: said.get("by") ?? START.by,
    theme: one(said.get("theme"), ["auto", "light", "dark"], START.theme),
  };
}

export function write(state: State): string {
  const said = new URLSearchParams();
  const put = (name: string, value: string, start: string) => {
    if (value !== start) said.set(name, value);
  };
  put("show", state.criterion, START.criterion);
  put("colour", state.colour, START.colour);
  put("zoom", String(state.zoom), "-1");
  put("run", String(state.picked), "-1");
  put("find", state.text, "");
  for (const [key, value] of Object.entries(state.labels)) said.set(key, value);
  put("sort", state.sort, "");
  if (state.together !== null) said.set("together", state.together ? "1" : "0");
  put("fold", state.fold, START.fold);
  put("turned", state.turned.slice(-MOST_TURNED).join("."), "");
  put("by", state.by, START.by);
  put("theme", state.theme, START.theme);
  return said.toString();
}

export type Change = (changes: Partial<State>) => void;

/** Not kept: what another page in the same address has chosen stands there. */
export function useAddress(kept = true): [State, Change] {
  const [state, setState] = useState(() => parse(kept ? location.hash : ""));
  useEffect(() => {
    if (!kept) return;
    const follow = () => setState(parse(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, [kept]);
  const change = useCallback<Change>((changes) => setState((now) => ({ ...now, ...changes })), []);
  useEffect(() => {
    if (!kept) return;
    const fragment = write(state);
    if (fragment !== location.hash.replace(/^#/, ""))
      history.replaceState(
        null,
        "",
        fragment ? `#${fragment}` : location.pathname + location.search,
      );
  }, [state, kept]);
  useEffect(() => {
    if (!kept) return;
    document.documentElement.dataset.theme = state.theme;
  }, [state.theme, kept]);
  return [state, change];
}

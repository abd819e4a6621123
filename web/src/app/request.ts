/** What is typed, as the server takes it. */

import { useEffect, useState } from "preact/hooks";
import type { Alternative, Fields } from "./address";
import { Refused } from "./api";

export const number = (text: string | undefined): number | undefined => {
  if (!text?.trim()) return undefined;
  const value = Number(text.replace(/[\s,_]/g, ""));
  return Number.isFinite(value) ? value : undefined;
};

export const known = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""),
  );

/** Of one call, without settings. */
export function callOf(fields: Fields): Record<string, unknown> {
  return known({
    model: fields.model ?? "",
    provider: fields.provider,
    zone: fields.zone,
    region: fields.region,
    input_tokens: number(fields.input),
    cached_input_tokens: number(fields.cached),
    output_tokens: number(fields.output),
    reasoning_tokens: number(fields.reasoning),
    latency_s: number(fields.latency),
  });
}

/** By what it is estimated; hardware where the method plans with it. */
export function settingsOf(fields: Fields, plansHardware: boolean): Record<string, unknown> {
  const deployment = known({
    accelerator: fields.accelerator,
    count: number(fields.count),
    batch_size: number(fields.batch),
    precision: fields.precision,
    parallelism: fields.parallelism,
  });
  const some = plansHardware && Object.keys(deployment).length > 0;
  return known({ method: fields.method, deployment: some ? deployment : undefined });
}

export function explainOf(fields: Fields, plansHardware: boolean): Record<string, unknown> {
  const { reasoning_tokens: _, ...call } = callOf(fields);
  return { output_tokens: null, ...call, ...settingsOf(fields, plansHardware) };
}

/** What an expert may enter: its label, and the catalog's figure that it stands in for. */
export const OWN = [
  { name: "total", label: "Parameters, 10⁹", hypothesis: "P_t", range: true },
  { name: "active", label: "of these active, 10⁹", hypothesis: "P_a", range: true },
  { name: "pue", label: "PUE", hypothesis: "PUE", range: true },
  { name: "wue_dc", label: "WUE of the data centre, L/kWh", hypothesis: "WUE_dc", range: true },
  { name: "gwp", label: "Mix: kgCO2eq/kWh", hypothesis: "F_gwp, electricity", range: false },
  { name: "wue", label: "Mix: water, L/kWh", hypothesis: "WUE_grid", range: false },
  {
    name: "pe",
    label: "Mix: primary energy, MJ/kWh",
    hypothesis: "F_pe, electricity",
    range: false,
  },
  { name: "adpe", label: "Mix: kgSbeq/kWh", hypothesis: "F_adpe", range: false },
] as const;

/** The same of an architecture, where the method plans with one. */
export const SHAPE = [
  { name: "layers", label: "Layers", hypothesis: "L, layers", range: false },
  { name: "experts", label: "Experts of a layer", hypothesis: "E, experts", range: false },
  { name: "active_experts", label: "of these visited", hypothesis: "k, active", range: false },
  {
    name: "kv_bytes",
    label: "Cache, bytes per token",
    hypothesis: "cache of full attention",
    range: false,
  },
] as const;

/** A number, or two as a range; what is neither stays text, which the server refuses by its name. */
export function ownValue(typed: string, range: boolean): number | number[] | string | undefined {
  if (!typed.trim()) return undefined;
  if (!range) return number(typed) ?? typed;
  const ends = typed.split(/\s*(?:to|–|-)\s*/).map(number);
  const [low, high = low, ...more] = ends;
  return low === undefined || high === undefined || more.length || ends.includes(undefined)
    ? typed
    : [low, high];
}

/** Figures of the reader's own; undefined: none. */
export function ownOf(fields: Fields, plans: boolean): Record<string, unknown> | undefined {
  const all = plans ? [...OWN, ...SHAPE] : OWN;
  const own = known(
    Object.fromEntries(all.map(({ name, range }) => [name, ownValue(fields[name] ?? "", range)])),
  );
  return Object.keys(own).length ? own : undefined;
}

export const nameOf = (one: Alternative): string =>
  [
    one.model,
    one.provider && `at ${one.provider}`,
    one.region && `in ${one.region}`,
    one.zone && `in ${one.zone}`,
  ]
    .filter(Boolean)
    .join(" ");

export interface Asked<T> {
  data: T | null;
  error: string;
  locked: boolean;
}

/** Asks whenever the question changes, a moment later; an older answer never overtakes. */
export function useAnswer<T>(
  question: string,
  fetcher: (signal: AbortSignal) => Promise<T>,
): Asked<T> {
  const [found, setFound] = useState<Asked<T>>({ data: null, error: "", locked: false });
  useEffect(() => {
    const stop = new AbortController();
    const wait = setTimeout(() => {
      fetcher(stop.signal).then(
        (data) => setFound({ data, error: "", locked: false }),
        (error: unknown) => {
          if (stop.signal.aborted) return;
          const said = error instanceof Error ? error.message : String(error);
          const locked = error instanceof Refused && error.status === 401;
          setFound({ data: null, error: said, locked });
        },
      );
    }, 120);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [question]);
  return found;
}

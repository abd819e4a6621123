/** The criteria, and how their values are printed: as `impactree.values.formatting` does. */

import { TRAINED, TRAINED_CALLS } from "./data";

export type CriterionKey = "gwp" | "energy" | "wcf" | "pe" | "adpe";

export interface Criterion {
  key: CriterionKey;
  label: string;
  title: string;
  /** The unit that takes SI prefixes. */
  unit: string;
  factor: number;
  /** Where its phases begin among the figures; embodied -1: it has none. */
  usage: number;
  embodied: number;
}

export const CRITERIA: readonly Criterion[] = [
  ["gwp", "GHG", "Greenhouse gases", "gCO2eq", 1e3, 3, 15],
  ["energy", "energy", "Energy", "Wh", 1e3, 0, -1],
  ["wcf", "water", "Water", "L", 1, 12, -1],
  ["pe", "primary energy", "Primary energy", "J", 1e6, 9, 21],
  ["adpe", "ADPe", "Abiotic depletion", "gSbeq", 1e3, 6, 18],
].map(([key, label, title, unit, factor, usage, embodied]) => ({
  ...{ key, label, title, unit, factor, usage, embodied },
})) as unknown as Criterion[];

export const criterion = (key: string): Criterion =>
  CRITERIA.find((one) => one.key === key) ?? (CRITERIA[0] as Criterion);

/** Low, expected and high value; NaN: unknown. */
export type Span = readonly [min: number, mean: number, max: number];

export function span(figures: Float64Array, c: Criterion): Span {
  const ends = [0, 1, 2].map(
    (end) =>
      (figures[c.usage + end] ?? 0) + (c.embodied < 0 ? 0 : (figures[c.embodied + end] ?? 0)),
  );
  return ends as unknown as Span;
}

/** The share of training by a criterion; null: there is none. */
export function trained(training: Float64Array | null, c: Criterion): Span | null {
  return training?.[TRAINED_CALLS] ? phase(training, 3 * TRAINED.indexOf(c.key)) : null;
}

export const phase = (figures: Float64Array, at: number): Span =>
  [figures[at], figures[at + 1], figures[at + 2]] as unknown as Span;

const PREFIXES = ["p", "n", "µ", "m", "", "k", "M", "G", "T"];

/** Two significant digits; halves go to the even neighbour, as Python's do. */
function twoDigits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const text = value.toExponential(1);
  if (Number(value.toPrecision(3)) !== value) return text;
  const [digits = "", power = "0"] = value.toExponential(40).split("e");
  const tie = /^-?\d\.\d50*$/.test(digits);
  if (tie && Number(digits.replace("-", "").charAt(2)) % 2 === 0)
    return `${digits.slice(0, digits.indexOf(".") + 2)}e${power}`;
  return text;
}

function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.5 && size < 1e15) {
    const low = Math.floor(value);
    return String(value - low === 0.5 ? low + (low % 2 === 0 ? 0 : 1) : Math.round(value));
  }
  const text = twoDigits(value);
  if (size >= 1e-9 && size < 1e-4) {
    const places = 1 - Math.floor(Math.log10(size));
    return Number(text).toFixed(places).replace(/0+$/, "");
  }
  if (size >= 1e15 || (size > 0 && size < 1e-9)) {
    const [digits = "", power = "0"] = text.split("e");
    const sign = power.startsWith("-") ? "-" : "+";
    return `${digits.replace(/\.0$/, "")}e${sign}${power.replace(/^[-+]/, "").padStart(2, "0")}`;
  }
  return String(Number(text));
}

function scaled([min, mean, max]: Span): { span: Span; prefix: string } {
  if (!Number.isFinite(mean) || mean === 0) return { span: [min, mean, max], prefix: "" };
  const power = Math.max(-4, Math.min(4, Math.floor((Math.log10(Math.abs(mean)) + 1 + 1e-9) / 3)));
  const scale = 10 ** (-3 * power);
  return {
    span: [min * scale, mean * scale, max * scale],
    prefix: PREFIXES[power + 4] ?? "",
  };
}

export interface Quantity {
  mean: string;
  /** `0.9 to 1.7`; empty where there is one figure only. */
  range: string;
  unit: string;
}

/** A span in shown units, its prefix so that the mean is between 0.1 and 100. */
export function quantity(value: Span, unit: string): Quantity {
  const { span: shown, prefix } = scaled(value);
  const [low, mean, high] = shown.map(short);
  const range = low === high ? "" : `${low} to ${high}`;
  return { mean: mean ?? "", range, unit: prefix + unit };
}

export function shown(value: Span, c: Criterion): Quantity {
  return quantity([value[0] * c.factor, value[1] * c.factor, value[2] * c.factor], c.unit);
}

/** `1.3 (0.9 to 1.7) mWh`. */
export function full(value: Span, c: Criterion): string {
  if (Number.isNaN(value[1])) return "unknown";
  const q = shown(value, c);
  return q.range ? `${q.mean} (${q.range}) ${q.unit}` : `${q.mean} ${q.unit}`;
}

/** `1.3 mWh`. */
export function mean(value: number, c: Criterion): string {
  return full([value, value, value], c);
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const integer = (value: number): string => whole.format(value);
export const many = (n: number, noun: string): string =>
  `${integer(n)} ${noun}${n === 1 ? "" : "s"}`;

export function count(value: number): string {
  if (value < 100_000) return integer(value);
  for (const [size, unit] of [
    [1e6, "k"],
    [1e9, "M"],
    [1e12, "G"],
    [1e15, "T"],
  ] as const) {
    const part = (value * 1000) / size;
    if (value < size && part < 999.5) return `${part.toFixed(part < 99.95 ? 1 : 0)}${unit}`;
  }
  return ">999T";
}

export function duration(seconds: number): string {
  if (seconds < 0.0005) return "<1 ms";
  for (const [limit, size, unit] of [
    [0.9995, 1e-3, "ms"],
    [999.5, 1, "s"],
    [5970, 60, "min"],
    [99.5 * 3600, 3600, "h"],
    [Number.POSITIVE_INFINITY, 86_400, "d"],
  ] as const) {
    if (seconds < limit) {
      const value = seconds / size;
      return `${value.toFixed(unit !== "ms" && value < 9.95 ? 1 : 0)} ${unit}`;
    }
  }
  return "";
}

export function percent(share: number): string {
  if (!Number.isFinite(share)) return "";
  if (share > 0 && share < 0.001) return "<0.1%";
  return `${(share * 100).toFixed(share < 0.0995 && share > 0 ? 1 : 0)}%`;
}

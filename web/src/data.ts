/** What the page carries, column by column, and its lines and groups as objects. */

import type { Factor, Report, Run } from "./report.gen";

/** Text: its values, and which of them stands where (a number: the same everywhere). */
interface Coded<T extends string = string> {
  values: (T | null)[];
  at: number | number[];
}
/** Numbers, or one that stands everywhere. */
type Numbers = number | number[];
/** Another column times few factors. */
interface Factors {
  of: string;
  values: number[];
  at: Numbers;
}
/** As numbers; null is unknown, text the name of an equal column. */
type Figures = Record<string, Numbers | (number | null)[] | string | Factors | null>;

interface ImpactColumns {
  at: number[];
  estimated: Numbers;
  unestimated: Numbers;
  grade: Coded;
  source: Coded;
  errors: Coded;
  warnings: Coded;
  having: number[];
  figures: Figures;
  training: TrainingColumns | null;
}

/** Which of them have a share of training. */
interface TrainingColumns {
  having: number[];
  calls: Numbers;
  figures: Figures;
}

type TallyColumns = Record<keyof Tally, Numbers>;

interface LineColumns {
  parent: number[];
  times: Numbers;
  below: Numbers;
  id: (string | null)[];
  name: Coded;
  kind: Coded<Run["kind"]>;
  status: Coded<Run["status"]>;
  model: Coded;
  provider: Coded;
  agent: Coded;
  node: Coded;
  step: Coded;
  thread: Coded;
  tool: Coded;
  user: Coded;
  said: Coded;
  start_s: number;
  begin_s: Numbers;
  elapsed_s: Numbers;
  timed: Numbers;
  tally: TallyColumns;
  own: ImpactColumns;
  avoided: ImpactColumns;
}

interface GroupColumns {
  labels: (string | null)[];
  others: number;
  partition: boolean;
  tally: TallyColumns;
  total: ImpactColumns;
}

export interface Hypothesis extends Omit<Factor, "sources"> {
  sources: string[];
}

export interface ModelGrounds {
  model: string;
  provider: string | null;
  requested: string | null;
  zone: string;
  resolution: { model: string | null; host: string | null; grade: string; how: string | null };
  errors: string[];
  hypotheses: number[];
}

export interface PageData {
  page: 1;
  version: string;
  title: string;
  report: Omit<Report, "runs">;
  about: string;
  empty: string;
  folded: string;
  notes: { name: string; sentences: string[] }[];
  lines: LineColumns;
  groups: Record<string, GroupColumns>;
  models: ModelGrounds[];
  more_models: number;
  hypotheses: Hypothesis[];
  citation: string;
  /** False: usage and embodied are known as one alone, and stand in the place of usage. */
  phases?: boolean;
}

const ENDS = ["min", "mean", "max"];
/** In the order of `impactree.values.figures.Figures`. */
export const FIGURES = [
  ...["energy", "gwp_usage", "adpe_usage", "pe_usage", "wcf"],
  ...["gwp_embodied", "adpe_embodied", "pe_embodied"],
].flatMap((name) => ENDS.map((end) => `${name}_${end}`));
export const PARTS = ["input", "cached", "output", "host", "overhead"] as const;
/** The criteria of a share of training, in the order of `impactree.values.criteria`. */
export const TRAINED = ["energy", "gwp", "adpe", "pe", "wcf"] as const;
/** Where the number of calls stands that it is the share of. */
export const TRAINED_CALLS = 3 * TRAINED.length;
const COLUMNS = [...FIGURES, ...PARTS.map((part) => `part_${part}`)];

/** Sums over calls. Token counts leave out cached calls: no model saw those tokens. */
export interface Tally {
  runs: number;
  calls: number;
  cached: number;
  inputs: number;
  cached_inputs: number;
  cache_writes: number;
  outputs: number;
  reasoning: number;
  unknown_inputs: number;
  unknown_outputs: number;
  counted: number;
  latency_s: number;
}
const TALLY = [
  ...(["runs", "calls", "cached", "inputs", "cached_inputs", "cache_writes", "outputs"] as const),
  ...(["reasoning", "unknown_inputs", "unknown_outputs", "counted", "latency_s"] as const),
];

/** Impacts of calls; without figures none of them could be estimated. */
export interface Impacts {
  estimated: number;
  unestimated: number;
  grade: string | null;
  /** Where the energy is from: measured, modelled, reported, estimated, mixed. */
  source: string | null;
  errors: string;
  warnings: string;
  figures: Float64Array | null;
  /** The share of training, in none of the figures, and of how many calls. */
  training: Float64Array | null;
}

/** A run, or like ones in one line. */
export interface Line {
  place: number;
  parent: number;
  times: number;
  /** Runs below that have no line, but are counted in this one. */
  below: number;
  id: string | null;
  name: string;
  kind: string;
  status: string | null;
  model: string | null;
  provider: string | null;
  agent: string | null;
  node: string | null;
  step: string | null;
  thread: string | null;
  tool: string | null;
  user: string | null;
  tags: string[];
  metadata: Record<string, unknown>;
  begin_s: number;
  elapsed_s: number;
  timed: number;
  tally: Tally;
  own: Impacts | null;
  avoided: Impacts | null;
}

export interface Group {
  label: string | null;
  /** How many groups this one sums up; 0: it is one. */
  others: number;
  tally: Tally;
  total: Impacts;
}

const text = (column: Coded, place: number): string | null =>
  column.values[typeof column.at === "number" ? column.at : (column.at[place] ?? 0)] ?? null;
const number = (column: Numbers, place: number): number =>
  typeof column === "number" ? column : (column[place] ?? 0);

export const noTally = (): Tally => ({
  ...{ runs: 0, calls: 0, cached: 0, inputs: 0, cached_inputs: 0, cache_writes: 0, outputs: 0 },
  ...{ reasoning: 0, unknown_inputs: 0, unknown_outputs: 0, counted: 0, latency_s: 0 },
});

function tallyAt(columns: TallyColumns, place: number): Tally {
  const tally = noTally();
  for (const name of TALLY) tally[name] = number(columns[name], place);
  return tally;
}

export function addTally(to: Tally, more: Tally): void {
  for (const name of TALLY) to[name] += more[name];
}

function figureOf(figures: Figures, name: string): (place: number) => number {
  const column = figures[name];
  if (typeof column === "string") return figureOf(figures, column);
  if (column && typeof column === "object" && "of" in column) {
    const of = figureOf(figures, column.of);
    return (place) => of(place) * (column.values[number(column.at, place)] ?? Number.NaN);
  }
  return (place) => {
    const value = Array.isArray(column) ? column[place] : column;
    return typeof value === "number" ? value : Number.NaN;
  };
}

function figuresOf(columns: ImpactColumns): Map<number, Float64Array> {
  const having = new Map<number, Float64Array>();
  const read = COLUMNS.map((name) => figureOf(columns.figures, name));
  columns.having.forEach((which, place) => {
    having.set(
      which,
      Float64Array.from(read, (one) => one(place)),
    );
  });
  return having;
}

function trainingOf(columns: TrainingColumns | null): Map<number, Float64Array> {
  if (!columns) return new Map();
  const { having, calls, figures } = columns;
  const read = TRAINED.flatMap((key) => ENDS.map((end) => figureOf(figures, `${key}_${end}`)));
  read.push((place) => number(calls, place));
  return new Map(
    having.map((which, place) => [which, Float64Array.from(read, (one) => one(place))]),
  );
}

function impactsOf(columns: ImpactColumns): Map<number, Impacts> {
  const figures = figuresOf(columns);
  const training = trainingOf(columns.training);
  return new Map(
    columns.at.map((at, place) => [
      at,
      {
        estimated: number(columns.estimated, place),
        unestimated: number(columns.unestimated, place),
        grade: text(columns.grade, place),
        source: text(columns.source, place),
        errors: text(columns.errors, place) ?? "",
        warnings: text(columns.warnings, place) ?? "",
        figures: figures.get(place) ?? null,
        training: training.get(place) ?? null,
      },
    ]),
  );
}

export function linesOf({ lines: c }: Pick<PageData, "lines">): Line[] {
  const own = impactsOf(c.own);
  const avoided = impactsOf(c.avoided);
  const said = c.said.values.map((one) => (one ? JSON.parse(one) : { tags: [], metadata: {} }));
  return c.parent.map((parent, place) => {
    const known = said[typeof c.said.at === "number" ? c.said.at : (c.said.at[place] ?? 0)];
    return {
      place,
      parent,
      times: number(c.times, place),
      below: number(c.below, place),
      id: c.id[place] ?? null,
      name: visible(text(c.name, place) ?? "") || "(no name)",
      kind: text(c.kind, place) ?? "",
      status: text(c.status, place),
      model: text(c.model, place),
      provider: text(c.provider, place),
      agent: text(c.agent, place),
      node: text(c.node, place),
      step: text(c.step, place),
      thread: text(c.thread, place),
      tool: text(c.tool, place),
      user: text(c.user, place),
      tags: known.tags,
      metadata: known.metadata,
      begin_s: number(c.begin_s, place),
      elapsed_s: number(c.elapsed_s, place),
      timed: number(c.timed, place),
      tally: tallyAt(c.tally, place),
      own: own.get(place) ?? null,
      avoided: avoided.get(place) ?? null,
    };
  });
}

/** What the page shows: of the data that it carries, or of a report that was read here. */
export interface Shown extends Omit<PageData, "page" | "lines" | "groups"> {
  lines: Line[];
  /** When the first began, Unix time in s. */
  start_s: number;
  groups: Record<string, Group[]>;
}

export function shownOf({ page: _, lines, groups, ...rest }: PageData): Shown {
  return {
    ...rest,
    lines: linesOf({ lines }),
    start_s: lines.start_s,
    groups: Object.fromEntries(
      Object.entries(groups).map(([key, columns]) => [key, groupsOf(columns)]),
    ),
  };
}

function groupsOf(columns: GroupColumns): Group[] {
  const total = impactsOf(columns.total);
  return [...total.values()].map((impacts, place) => ({
    label: columns.labels[place] ?? null,
    others: place < columns.labels.length ? 0 : columns.others,
    tally: tallyAt(columns.tally, place),
    total: impacts,
  }));
}

/** Control, invisible and direction-changing characters shown escaped. */
export function visible(value: string): string {
  return value.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => {
    const code = c.codePointAt(0) ?? 0;
    return code < 256
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

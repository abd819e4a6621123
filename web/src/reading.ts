/** A report's JSON, read in the browser: what the page shows of it, and nothing is sent anywhere. */

import {
  addTally,
  FIGURES,
  type Group,
  type Impacts,
  type Line,
  noTally,
  PARTS,
  type Shown,
  type Tally,
  TRAINED,
  visible,
} from "./data";
import { notesOf } from "./notes";
import type { Report, Run, Impacts as Said } from "./report.gen";

const FORMAT = 2;
const NEEDED = ["method", "runs", "total", "coverage"];
const MEDIA = ["image", "video", "speech", "transcription"];
const LABELS = ["agent", "node", "step", "thread", "tool", "user"] as const;
const MOST_GROUPS = 40;
const ENDS = ["min", "mean", "max"] as const;
/** By what calls are grouped: of the run, or of its call. */
const KEYS: Record<string, (run: Run, root: Run) => string | null | undefined> = {
  model: (run) => run.call?.model,
  agent: (run) => run.agent,
  step: (run) => run.step,
  tool: (run) => run.tool,
  user: (run) => run.user,
  kind: (run) => run.call?.kind,
  node: (run) => run.node,
  root: (_, root) => root.name,
};

/** A report that was read here. */
export interface Read extends Shown {
  /** What its calls asked of whom, each once, as `/v1/explain` takes it. */
  asked: Record<string, unknown>[];
  /** The calls by host, once it is known who runs each of these. */
  byHost: (hosts: (string | null)[]) => Group[];
}

/** What a text is not, in a sentence for whoever chose it. */
export class NoReport extends Error {}

/**
 * @throws NoReport: it is no JSON, no report, or one of a newer impactree.
 */
export function readReport(text: string): Read {
  const report = parsed(text);
  try {
    return shownOf(report);
  } catch (error) {
    if (error instanceof NoReport) throw error;
    throw new NoReport(`no report of impactree: ${(error as Error).message}`);
  }
}

function parsed(text: string): Report {
  let data: unknown;
  try {
    data = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new NoReport(`no report: it is no JSON (${(error as Error).message})`);
  }
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new NoReport("no report: it is no object");
  const { format = 1 } = data as { format?: unknown };
  if (typeof format === "number" && format > FORMAT)
    throw new NoReport(
      `the report has format ${format}, which is newer than this page reads (${FORMAT}): update impactree`,
    );
  const lacking = NEEDED.filter((name) => !(name in data));
  if (lacking.length) throw new NoReport(`no report of impactree: it lacks ${lacking.join(", ")}`);
  if (!Array.isArray((data as Report).runs))
    throw new NoReport("no report of impactree: its runs are no list");
  // Earlier versions wrote none of these.
  const none = { disclosures: [], credits: [], factors: [], problems: {}, avoided: null };
  return { ...none, ...data } as unknown as Report;
}

function shownOf(report: Report): Read {
  const { runs, ...rest } = report;
  runs.forEach(checked);
  const start_s = runs.reduce((least, run) => Math.min(least, run.start), runs[0]?.start ?? 0);
  const places = new Map(runs.map((run, place) => [run.id, place]));
  const roots: Run[] = [];
  const rootOf = runs.map((run, place) => {
    const above = places.get(run.parent_id ?? "") ?? -1;
    const root = above >= 0 && above < place ? (roots[above] as Run) : run;
    roots.push(root);
    return root;
  });
  const lines = runs.map((run, place) => lineOf(run, place, places, start_s));
  const { questions, of } = questionsOf(report);
  const tops = rootOf.filter((root, place) => root === runs[place]);
  return {
    version: "",
    title: titleOf(tops),
    report: { ...rest, by_model: [] },
    about: aboutOf(report),
    empty: "This report has no runs.",
    folded: "",
    notes: notesOf(report, tops.length),
    lines,
    start_s,
    groups: Object.fromEntries(
      Object.entries(KEYS).map(([key, of]) => [
        key,
        groupsBy(runs, lines, (place) => of(runs[place] as Run, rootOf[place] as Run) || null),
      ]),
    ),
    models: [],
    more_models: 0,
    hypotheses: [],
    citation: "",
    asked: questions,
    byHost: (hosts) => groupsBy(runs, lines, (place) => hosts[of[place] ?? -1] ?? null),
  };
}

const PLACE = ["model", "provider", "requested", "base_url", "kind", "zone", "region"] as const;
const TOKENS = ["input_tokens", "cached_input_tokens", "output_tokens"] as const;
const MEDIA_FIELDS = ["resolution", "seconds", "frames", "sound", "count", "steps", "characters"];

/** One question for each model, place and day; and for each run which one is its own. */
function questionsOf({ runs, method, total }: Report): { questions: Read["asked"]; of: number[] } {
  const known = new Map<string, number>();
  const questions: Read["asked"] = [];
  const settings = { method, ...(total.training ? { include_training: true } : {}) };
  const of = runs.map(({ call, end }) => {
    if (!call) return -1;
    const place = Object.fromEntries(PLACE.map((name) => [name, call[name] ?? null]));
    const asked = { ...place, ...settings, at: pastDay(end) };
    const key = JSON.stringify(asked);
    const number = known.get(key) ?? questions.length;
    if (number === questions.length) {
      known.set(key, number);
      const more = MEDIA.includes(call.kind) ? MEDIA_FIELDS.filter((n) => n in call) : TOKENS;
      questions.push({ ...asked, ...Object.fromEntries(more.map((n) => [n, call[n] ?? null])) });
    }
    return number;
  });
  return { questions, of };
}

/** The UTC day of what ended more than a day ago. */
function pastDay(seconds: number | null): string | null {
  if (seconds === null || Date.now() / 1000 - seconds < 86400) return null;
  const day = new Date(seconds * 1000);
  return Number.isNaN(day.getTime()) ? null : day.toISOString().slice(0, 10);
}

function checked(run: Run, place: number): void {
  for (const name of ["id", "name", "kind", "status"] as const)
    if (typeof run?.[name] !== "string")
      throw new NoReport(`no report of impactree: runs[${place}] has no ${name}`);
  if (!Number.isFinite(run.start))
    throw new NoReport(`no report of impactree: runs[${place}] has no start`);
}

const titleOf = (roots: Run[]): string => {
  const names = [...new Set(roots.map((root) => visible(root.name)))];
  const [first = ""] = names;
  if (names.length !== 1)
    return names.length ? `${roots.length.toLocaleString("en-US")} runs` : "no runs";
  const title = first.slice(0, 80) || "(no name)";
  return roots.length === 1 ? title : `${title} × ${roots.length.toLocaleString("en-US")}`;
};

const aboutOf = ({ method, zone, catalog_version: version, what_if: assumed }: Report): string =>
  [
    assumed ? `WHAT IF ${assumed}: ` : "",
    method && `method ${method}`,
    version && `, ${zone ? `zone ${zone}` : "zone of each host"}, catalog ${version}`,
  ]
    .filter(Boolean)
    .join("");

function lineOf(run: Run, place: number, places: Map<string, number>, start_s: number): Line {
  const above = places.get(run.parent_id ?? "") ?? -1;
  const labels = Object.fromEntries(LABELS.map((label) => [label, run[label] || null]));
  return {
    place,
    parent: above < place ? above : -1,
    times: 1,
    below: 0,
    id: run.id,
    name: visible(run.name) || "(no name)",
    kind: run.kind,
    status: run.status,
    model: run.call?.model ?? null,
    provider: run.call?.provider ?? null,
    ...(labels as Pick<Line, (typeof LABELS)[number]>),
    tags: run.tags ?? [],
    metadata: run.metadata ?? {},
    begin_s: run.start - start_s,
    elapsed_s: run.latency_s ?? 0,
    timed: run.latency_s === null ? 0 : 1,
    tally: tallyOf(run),
    own: run.call ? impactsOf(run.own) : null,
    avoided: run.avoided ? impactsOf(run.avoided) : null,
  };
}

/** As `impactree.report._tally.Tally` counts: what a cache answered has no tokens. */
function tallyOf(run: Run): Tally {
  const tally = { ...noTally(), runs: 1 };
  const { call } = run;
  if (!call) return tally;
  tally.calls = 1;
  if (run.end !== null && run.end > run.start) tally.latency_s = run.end - run.start;
  if (run.cached) return { ...tally, cached: 1 };
  const text = !MEDIA.includes(call.kind);
  const generates = call.kind === "chat" || call.kind === "completion";
  return {
    ...tally,
    counted: call.tokens_source === "counted" ? 1 : 0,
    inputs: call.input_tokens ?? 0,
    unknown_inputs: (call.input_tokens ?? null) === null && text ? 1 : 0,
    outputs: call.output_tokens ?? 0,
    unknown_outputs: (call.output_tokens ?? null) === null && generates ? 1 : 0,
    cached_inputs: call.cached_input_tokens ?? 0,
    cache_writes: call.cache_write_tokens ?? 0,
    reasoning: call.reasoning_tokens ?? 0,
  };
}

type Quantity = { value: { min: number; mean?: number; max: number } } | null | undefined;

/** What is null is a criterion of which nobody publishes the factor: not a number. */
function endsOf(quantity: Quantity): number[] {
  if (!quantity) return [Number.NaN, Number.NaN, Number.NaN];
  const { min, max, mean = (min + max) / 2 } = quantity.value;
  for (const end of [min, mean, max])
    if (typeof end !== "number")
      throw new NoReport("no report of impactree: a figure is no number");
  return [min, mean, max];
}

/** In the order of FIGURES and PARTS. */
function figuresOf({ usage, embodied, energy_parts: parts }: Said): Float64Array | null {
  if (!usage) return null;
  const phases = { usage, embodied } as unknown as Record<string, Record<string, Quantity>>;
  const stems = FIGURES.filter((_, place) => place % ENDS.length === 0);
  const ends = stems.flatMap((stem) => {
    const [, key = "", phase = "usage"] = /^([a-z]+)(?:_(usage|embodied))?_min$/.exec(stem) ?? [];
    return endsOf(phases[phase]?.[key]);
  });
  return Float64Array.from([...ends, ...PARTS.map((part) => parts?.[part] ?? Number.NaN)]);
}

function trainingOf({ training }: Said): Float64Array | null {
  if (!training) return null;
  return Float64Array.from([...TRAINED.flatMap((key) => endsOf(training[key])), training.calls]);
}

/** Of a call without impacts: nobody estimated it, which is no zero. */
function impactsOf(said: Said | null): Impacts {
  if (!said) return { ...NOTHING, unestimated: 1 };
  const codes = (messages: Said["errors"]) => (messages ?? []).map((one) => one.code).join(" ");
  return {
    estimated: said.estimated_calls,
    unestimated: said.unestimated_calls,
    grade: said.grade ?? null,
    source: said.source ?? null,
    errors: codes(said.errors),
    warnings: codes(said.warnings),
    figures: figuresOf(said),
    training: trainingOf(said),
  };
}

const NOTHING: Impacts = {
  ...{ estimated: 0, unestimated: 0, grade: null, source: null, errors: "", warnings: "" },
  ...{ figures: null, training: null },
};

function groupsBy(runs: Run[], lines: Line[], of: (place: number) => string | null): Group[] {
  const members = new Map<string | null, Line[]>();
  lines.forEach((line, place) => {
    if (!runs[place]?.call) return;
    const label = of(place);
    const known = members.get(label);
    if (known) known.push(line);
    else members.set(label, [line]);
  });
  const groups = [...members].map(([label, of]) => grouped(label, 0, of));
  groups.sort((a, b) => gwpOf(b) - gwpOf(a));
  const rest = groups.slice(MOST_GROUPS);
  if (!rest.length) return groups;
  const others = rest.flatMap(({ label }) => members.get(label) ?? []);
  return [...groups.slice(0, MOST_GROUPS), grouped(null, rest.length, others)];
}

const GWP = [FIGURES.indexOf("gwp_usage_mean"), FIGURES.indexOf("gwp_embodied_mean")];
const gwpOf = ({ total }: Group): number =>
  GWP.reduce((sum, at) => sum + (total.figures?.[at] ?? 0), 0);

function grouped(label: string | null, others: number, lines: Line[]): Group {
  const tally = noTally();
  const total: Impacts = { ...NOTHING };
  for (const { tally: more, own } of lines) {
    addTally(tally, more);
    if (!own) continue;
    total.estimated += own.estimated;
    total.unestimated += own.unestimated;
    total.figures = sum(total.figures, own.figures);
    total.training = sum(total.training, own.training);
  }
  // A cache's zeros are no estimate of what nobody could estimate.
  if (!total.estimated && total.unestimated) total.figures = null;
  return { label, others, tally, total };
}

const sum = (a: Float64Array | null, b: Float64Array | null): Float64Array | null =>
  a && b ? a.map((value, at) => value + (b[at] ?? 0)) : (a ?? b);

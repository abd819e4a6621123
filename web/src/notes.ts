/** Sentences beside a report that was read from its JSON; those of a page come from Python. */

import { visible } from "./data";
import type { Impacts, Message, Report, Run } from "./report.gen";
import { criterion, full, many, type Span } from "./units";

const MOST = 3;

interface Note {
  name: string;
  sentences: string[];
}

export function notesOf(report: Report, roots: number): Note[] {
  const { total, problems, metering } = report;
  const calls = report.runs.filter((run) => run.call);
  const gone = report.finished_runs == null ? 0 : report.finished_runs - roots;
  const notes: Record<string, (string | null | undefined | false)[]> = {
    everyday: [report.equivalents?.readable.map((one) => one.text).join("; ")],
    training: [training(total)],
    market: [market(total)],
    coverage: report.coverage.calls ? coverage(report, calls) : [],
    warnings: byCode(calls, (run) => run.own?.warnings ?? []),
    problems: Object.entries(problems).map(([name, n]) => `${n} × ${name}`),
    measured: [...beside(report), unattributed(report), metering && `read: ${metering}`],
    history: [gone > 0 && `${many(gone, "older run")} no longer kept, in no figure above`],
    makers: report.disclosures,
    credits: report.credits,
  };
  return Object.entries(notes).flatMap(([name, said]) => {
    const sentences = said.filter((one) => typeof one === "string" && one).map((one) => `${one}`);
    return sentences.length ? [{ name, sentences: sentences.map(visible) }] : [];
  });
}

type Figure = { value: { min: number; mean?: number; max: number } } | null | undefined;

function told(figure: Figure, key: string): string {
  if (!figure) return "unknown";
  const { min, max, mean = (min + max) / 2 } = figure.value;
  return full([min, mean, max] satisfies Span, criterion(key));
}

const training = ({ training: phase }: Impacts): string | null =>
  phase &&
  `${told(phase.gwp, "gwp")}: training the models, in no figure above; of ${many(phase.calls, "call")}, shared out over ${phase.shared_over.join("; ")}.`;

const market = ({ gwp_market_based: figure }: Impacts): string | null =>
  figure && `${told(figure, "gwp")} by what operators say of their contracts (market-based)`;

function coverage({ coverage: of, avoided }: Report, calls: Run[]): string[] {
  const spared = avoided?.gwp ? ` (avoided ${told(avoided.gwp, "gwp")})` : "";
  const tokens = { reported: of.tokens_reported, "counted locally": of.tokens_counted };
  const listed = (what: string, counts: Record<string, number>) => {
    const known = Object.entries(counts).flatMap(([name, n]) => (n ? `${n} ${name}` : []));
    return known.length ? [`${what}: ${known.join(", ")}`] : [];
  };
  const first = [
    `${of.estimated} of ${many(of.calls, "call")} estimated`,
    of.not_estimated && `${of.not_estimated} not estimated`,
    of.cached && `${of.cached} from a cache${spared}`,
  ];
  const asked = calls.filter((run) => !run.cached && !run.own?.usage);
  return [
    first.filter(Boolean).join(", "),
    ...byCode(asked, (run) => run.own?.errors?.slice(0, 1) ?? []).map((w) => `not estimated: ${w}`),
    ...listed("token counts", { ...tokens, unknown: of.tokens_unknown }),
    ...listed("model names", of.grades),
  ];
}

/** Per code its calls and its sentences, of which a few stand for many. */
function byCode(calls: Run[], of: (run: Run) => Message[]): string[] {
  const found = new Map<string, { calls: number; sentences: Set<string> }>();
  for (const run of calls)
    for (const { code, message } of of(run)) {
      const known = found.get(code) ?? { calls: 0, sentences: new Set<string>() };
      known.calls += 1;
      known.sentences.add(message);
      found.set(code, known);
    }
  return [...found].map(([code, { calls: n, sentences }]) => {
    const shown = [...sentences].slice(0, MOST).join(" ");
    const more = sentences.size - MOST;
    return `${code} (${many(n, "call")}): ${shown}${more > 0 ? ` And ${more} more like it.` : ""}`;
  });
}

const beside = ({ beside: known = [] }: Report): string[] =>
  known.map(({ model, calls, known: read, estimates }) => {
    const others = Object.entries(estimates).map(
      ([method, of]) => `${method} says ${told(of.energy, "energy")}`,
    );
    return `${model}, ${many(calls, "call")}: ${told(read.energy, "energy")} known; ${others.join("; ")}`;
  });

const unattributed = ({ unattributed: left }: Report): string | null =>
  left?.energy?.value.mean
    ? `unattributed: ${told(left.energy, "energy")}, ${told(left.gwp, "gwp")} was read while no measured call ran, or is the idle machine's; in no figure above`
    : null;

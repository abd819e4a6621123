import type { Line } from "../data";
import { PARTS, TRAINED_CALLS, visible } from "../data";
import { known, type Node } from "../tree";
import {
  CRITERIA,
  type Criterion,
  count,
  duration,
  full,
  many,
  mean,
  percent,
  phase,
  shown,
  span,
  trained,
} from "../units";
import { RangeBar } from "./Range";

const PART_NAMES: Record<string, string> = {
  input: "input",
  cached: "cached input",
  output: "output",
  host: "host, idle",
  overhead: "data centre",
};

/** All that is known of one run, or of all. */
export function Detail({ node, c, total, more, phases }: Props) {
  const { tally, line } = node;
  const one = node.key >= 0 && node.lines.length === 1 && node.times === 1;
  return (
    <section class="detail" aria-label="The chosen run" aria-live="polite">
      <div class="detail-head">
        <h3>
          <bdi>{node.key < 0 ? "All runs" : node.name}</bdi>
          {node.times > 1 && node.key >= 0 && <small> × {count(node.times)}</small>}
        </h3>
        <p class="faint">
          {[
            node.kind,
            one ? line.model && visible(line.model) : null,
            one && line.status !== "ok" ? line.status : null,
            tally.calls ? many(tally.calls, "call") : null,
            tally.cached ? `${count(tally.cached)} from a cache` : null,
            elapsed(node),
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
      {tally.calls > 0 && known(node) && <Criteria {...{ node, c, total, more, phases }} />}
      {tally.calls > 0 && !known(node) && (
        <p class="warning">Not estimated: {reasons(node) || "no reason given"}</p>
      )}
      {tally.calls > 0 && (
        <div>
          {known(node) && <Parts node={node} />}
          <Tokens node={node} />
        </div>
      )}
      {one && <About line={line} />}
    </section>
  );
}

function Criteria({ node, c, total, more, phases }: Props) {
  return (
    <table class="figures">
      <thead>
        <tr>
          <th scope="col">criterion</th>
          <th scope="col" class="number">
            mean (range)
          </th>
          {phases && (
            <>
              <th scope="col" class="number">
                usage
              </th>
              <th scope="col" class="number">
                embodied
              </th>
            </>
          )}
        </tr>
      </thead>
      <tbody>
        {CRITERIA.map((each) => {
          const value = span(node.figures, each);
          const q = shown(value, each);
          return (
            <tr key={each.key} class={each === c ? "chosen" : ""}>
              <th scope="row">{each.label}</th>
              <td class="number">
                {Number.isNaN(value[1]) ? (
                  "unknown"
                ) : (
                  <>
                    {node.unestimated > 0 && "≥"}
                    <b>{q.mean}</b> {q.unit} {q.range && <small>{q.range}</small>}
                    <RangeBar value={value} most={value[2]} />
                  </>
                )}
              </td>
              {phases && (
                <>
                  <td class="number">{mean(phase(node.figures, each.usage)[1], each)}</td>
                  <td class="number">
                    {each.embodied < 0 ? "–" : mean(phase(node.figures, each.embodied)[1], each)}
                  </td>
                </>
              )}
            </tr>
          );
        })}
        {[...more, ...training(node)].map(([name, cells]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number words" colSpan={phases ? 3 : 1}>
              {cells}
            </td>
          </tr>
        ))}
        <tr>
          <th scope="row">share</th>
          <td class="number">{percent(span(node.figures, c)[1] / total)}</td>
          {phases && (
            <td colSpan={2} class="faint">
              of the {c.label} shown
            </td>
          )}
        </tr>
      </tbody>
    </table>
  );
}

/** The share of training, which no other row contains. */
function training({ training: share, estimated, unestimated }: Node): [string, string][] {
  const told = CRITERIA.map((each) => [each.label, trained(share, each)] as const).flatMap(
    ([label, value], at) =>
      value && !Number.isNaN(value[1]) ? `${label} ${full(value, CRITERIA[at] as Criterion)}` : [],
  );
  if (!told.length) return [];
  const [of, calls] = [share[TRAINED_CALLS] ?? 0, estimated + unestimated];
  const some = of === calls ? "" : `; of ${count(of)} of ${many(calls, "call")}`;
  return [["training, in no other row", told.join(", ") + some]];
}

/** Where the energy goes, as a bar and in words. */
function Parts({ node }: { node: Node }) {
  const parts = PARTS.map((name, place) => ({ name, kwh: node.figures[24 + place] ?? 0 }));
  const whole = parts.reduce((sum, part) => sum + part.kwh, 0);
  if (!(whole > 0)) return null;
  const drawn = parts.filter((part) => part.kwh > 0);
  const energy = CRITERIA.find((one) => one.key === "energy") as Criterion;
  return (
    <div class="parts">
      <h4>Where the energy goes</h4>
      <div class="stack" aria-hidden="true">
        {drawn.map((part) => (
          <span
            key={part.name}
            class={`part-${part.name}`}
            style={{ width: `${(100 * part.kwh) / whole}%` }}
          />
        ))}
      </div>
      <ul class="keys">
        {drawn.map((part) => (
          <li key={part.name}>
            <i class={`part-${part.name}`} aria-hidden="true" />
            {PART_NAMES[part.name]} <b>{percent(part.kwh / whole)}</b>{" "}
            <span class="faint">{mean(part.kwh, energy)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Tokens({ node: { tally } }: { node: Node }) {
  const rows: [string, string][] = [
    ["tokens in", tokens(tally.inputs, tally.unknown_inputs, tally.calls - tally.cached)],
    ["of these cached", tally.cached_inputs ? count(tally.cached_inputs) : ""],
    ["written to a cache", tally.cache_writes ? count(tally.cache_writes) : ""],
    ["tokens out", tokens(tally.outputs, tally.unknown_outputs, tally.calls - tally.cached)],
    ["of these reasoning", tally.reasoning ? count(tally.reasoning) : ""],
    ["counted here, not reported", tally.counted ? many(tally.counted, "call") : ""],
  ];
  return <Facts rows={rows} />;
}

export function tokens(known: number, unknown: number, calls: number): string {
  if (calls > 0 && unknown >= calls) return "unknown";
  return unknown ? `≥${count(known)}` : count(known);
}

function About({ line }: { line: Line }) {
  const said = Object.entries(line.metadata).map(([k, v]): [string, string] => [k, String(v)]);
  const labels = ["agent", "node", "step", "tool", "thread", "user", "provider"] as const;
  const saved = line.avoided?.figures;
  return (
    <Facts
      rows={[
        ...labels.map((key): [string, string] => [key, line[key] ?? ""]),
        ["tags", line.tags.join(", ")],
        [
          "avoided by the cache",
          saved ? full(span(saved, CRITERIA[0] as Criterion), CRITERIA[0] as Criterion) : "",
        ],
        ["model's name", line.own?.grade ?? ""],
        ["warnings", (line.own?.warnings ?? "").replaceAll(" ", ", ")],
        ...said.filter(([key]) => !(labels as readonly string[]).includes(key)),
        ["id", line.id ?? ""],
      ]}
    />
  );
}

function Facts({ rows }: { rows: [string, string][] }) {
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{visible(name)}</dt>
            <dd>
              <bdi>{visible(value)}</bdi>
            </dd>
          </div>
        ))}
    </dl>
  );
}

export function elapsed(node: Node): string {
  if (node.key < 0) return "";
  const timed = node.lines.reduce((sum, line) => sum + line.timed, 0);
  const seconds = node.lines.reduce((sum, line) => sum + line.elapsed_s, 0);
  if (!timed) return "";
  return node.times > 1 ? `ø${duration(seconds / timed)}` : duration(seconds);
}

function reasons(node: Node): string {
  const codes = new Set<string>();
  const stack = [node];
  for (let next = stack.pop(); next && codes.size < 4; next = stack.pop()) {
    for (const line of next.lines) if (line.own?.errors) codes.add(line.own.errors);
    stack.push(...next.children);
  }
  return [...codes].join(", ");
}

interface Props {
  node: Node;
  c: Criterion;
  total: number;
  /** Rows that the report has for its total: market-based. */
  more: [string, string][];
  /** Whether usage and embodied are known apart. */
  phases: boolean;
}

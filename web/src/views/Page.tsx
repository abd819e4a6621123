import { useCallback, useMemo } from "preact/hooks";
import { coloursBy } from "../colours";
import { type Shown, visible } from "../data";
import { type Change, type State, useAddress } from "../state";
import { COLOURS, grow, LABELS, match, meanOf, type Node, walk } from "../tree";
import { criterion, integer, many, mean } from "../units";
import { Advice } from "./Advice";
import { Detail } from "./Detail";
import { Grounds, Remarks } from "./Grounds";
import { Groups } from "./Groups";
import { Icicle } from "./Icicle";
import { Table } from "./Table";
import { Themes } from "./Themes";
import { Timeline } from "./Timeline";
import { Totals } from "./Totals";

/** From so many lines on like ones are together at first. */
const MANY = 150;

export function Page({ data, inAddress = true }: { data: Shown; inAddress?: boolean }) {
  const [state, change] = useAddress(inAddress);
  const { lines } = data;
  const together = state.together ?? lines.length > MANY;
  const { text, labels } = state;
  const wanted = useMemo(() => match(lines, { text, labels }), [lines, text, labels]);
  const all = useMemo(() => grow(lines, wanted, together), [lines, wanted, together]);
  const whole = useMemo(() => (wanted ? grow(lines, null, true) : all), [lines, wanted, all]);
  const counted = useMemo(() => lines.filter((l) => !wanted || wanted[l.place]), [lines, wanted]);
  const nodes = useMemo(() => new Map([...walk(all)].map((node) => [node.key, node])), [all]);
  const nodeOf = useMemo(
    () => new Map([...nodes.values()].flatMap((n) => n.lines.map((l) => [l.place, n] as const))),
    [nodes],
  );
  const c = criterion(state.criterion);
  const colours = useMemo(() => coloursBy(state.colour, all), [state.colour, all]);
  const start = all.children.length === 1 ? all.children[0] : all;
  const picked = nodeOf.get(state.picked) ?? nodeOf.get(state.zoom) ?? start ?? all;
  const zoom = nodeOf.get(state.zoom)?.key ?? -1;
  const go = (node: Node) =>
    change({ zoom: node === start ? -1 : node.key, picked: node === start ? -1 : node.key });
  const pick = useCallback(
    (node: Node | undefined) => node && change({ picked: node.key }),
    [change],
  );
  // What does not change is not drawn again.
  const { by, theme } = state;
  const totals = useMemo(
    () => <Totals all={whole} {...{ data, c, change }} />,
    [whole, data, c, change],
  );
  const groups = useMemo(
    () => <Groups {...{ data, c, by, labels, change }} />,
    [data, c, by, labels, change],
  );
  const advice = useMemo(() => <Advice data={data} />, [data]);
  const grounds = useMemo(() => <Grounds data={data} />, [data]);
  const timeline = useMemo(
    () => <Timeline lines={counted} picked={picked.key} {...{ nodeOf, c, colours, theme, pick }} />,
    [counted, picked, nodeOf, c, colours, theme, pick],
  );
  const Frame = inAddress ? "main" : "div";
  if (!lines.length)
    return (
      <Frame>
        <Header {...{ data, state, change }} alone={inAddress} />
        <p class="nothing">{data.empty}</p>
        <Grounds data={data} />
      </Frame>
    );
  const { total } = data.report;
  const market = total.gwp_market_based;
  const more: [string, string][] =
    picked === start && market && wanted === null
      ? [["GHG, market-based", mean(market.value.mean, criterion("gwp"))]]
      : [];
  return (
    <Frame>
      <Header {...{ data, state, change }} alone={inAddress} />
      {totals}
      <Remarks data={data} />
      <section class="panel" aria-labelledby="tree-title">
        <header class="panel-head">
          <h2 id="tree-title">Where it goes</h2>
          <Legend {...{ colours, state, change }} />
        </header>
        <Filters {...{ state, change, together }} found={wanted ? counted.length : null} />
        <Icicle {...{ all, c, colours, zoom, go }} picked={picked.key} />
        <Detail
          node={picked}
          c={c}
          total={meanOf(all, c)}
          more={more}
          phases={data.phases !== false}
        />
      </section>
      {advice}
      {groups}
      {timeline}
      <Table {...{ all, c, colours, change }} state={{ ...state, picked: picked.key }} />
      {grounds}
    </Frame>
  );
}

interface HeaderProps {
  data: Shown;
  state: State;
  change: Change;
  /** Whether the report is the whole page. */
  alone: boolean;
}

function Header({ data, state, change, alone }: HeaderProps) {
  const { report } = data;
  const when = data.lines.length ? new Date(data.start_s * 1000) : null;
  const facts = [
    when &&
      !Number.isNaN(when.getTime()) &&
      `${when.toISOString().slice(0, 16).replace("T", " ")} UTC`,
    many(report.calls, "call"),
    report.coverage.calls > 0 &&
      `${integer(report.coverage.estimated)} of ${integer(report.coverage.calls)} estimated`,
    report.coverage.cached > 0 && `${integer(report.coverage.cached)} from a cache`,
    report.method && `method ${report.method}`,
  ];
  return (
    <header class="top">
      {alone && <p class="brand">impactree</p>}
      <h1>
        <bdi>{data.title}</bdi>
      </h1>
      <p class="faint">{facts.filter(Boolean).join(" · ")}</p>
      {report.what_if && (
        <p class="warning">
          <b>What if</b> {visible(report.what_if)}: these are not the calls as they were made.
        </p>
      )}
      {alone && <Themes theme={state.theme} set={(theme) => change({ theme })} />}
    </header>
  );
}

interface LegendProps {
  colours: ReturnType<typeof coloursBy>;
  state: State;
  change: Change;
}

function Legend({ colours, state, change }: LegendProps) {
  return (
    <div class="legend">
      <label>
        colour by{" "}
        <select
          value={state.colour}
          onChange={(event) =>
            change({ colour: (event.currentTarget as HTMLSelectElement).value as State["colour"] })
          }
        >
          {COLOURS.map((by) => (
            <option key={by}>{by}</option>
          ))}
        </select>
      </label>
      <ul class="keys">
        {colours.legend.map(({ label, hue }) => (
          <li key={label}>
            <i class={`hue-${hue}`} aria-hidden="true" />
            <bdi>{label}</bdi>
          </li>
        ))}
        <li>
          <i class="hue--1" aria-hidden="true" />
          several or none
        </li>
      </ul>
    </div>
  );
}

interface FilterProps {
  state: State;
  change: Change;
  together: boolean;
  found: number | null;
}

function Filters({ state, change, together, found }: FilterProps) {
  const chosen = LABELS.filter((key) => state.labels[key] !== undefined);
  const without = (key: string) =>
    Object.fromEntries(Object.entries(state.labels).filter(([one]) => one !== key));
  return (
    <div class="filters">
      <input
        type="search"
        value={state.text}
        placeholder="find a run, model, agent, id"
        aria-label="Find runs"
        onInput={(event) => change({ text: event.currentTarget.value, turned: [] })}
      />
      {chosen.map((key) => (
        <button
          type="button"
          class="chip"
          key={key}
          title="Show all runs again"
          onClick={() => change({ labels: without(key), turned: [] })}
        >
          {key}: <bdi>{state.labels[key] || "–"}</bdi> ×
        </button>
      ))}
      <label class="check">
        <input
          type="checkbox"
          checked={together}
          onChange={() => change({ together: !together, turned: [], zoom: -1 })}
        />
        like runs together
      </label>
      {state.zoom >= 0 && (
        <button type="button" onClick={() => change({ zoom: -1, picked: -1 })}>
          Zoom out
        </button>
      )}
      <span role="status" class="faint">
        {found === null ? "" : `${many(found, "run")} found`}
      </span>
    </div>
  );
}

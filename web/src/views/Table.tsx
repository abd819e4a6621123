import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Colours } from "../colours";
import { copy, rowsAsText } from "../copying";
import { TRAINED_CALLS } from "../data";
import type { Change, State } from "../state";
import { nextSort, rowsOf, type Sort, sorting, type TreeRow, tableOf, unfolded } from "../table";
import { known, meanOf, type Node } from "../tree";
import {
  type Criterion,
  count,
  full,
  integer,
  many,
  mean,
  percent,
  shown,
  span,
  trained,
} from "../units";
import { elapsed, tokens } from "./Detail";
import { RangeBar } from "./Range";

const BEFORE = 12;
const MOST_PRINTED = 1500;
const MOST_INDENT = 14;

/** How high the rows are, px: `--row` of page.css. */
const height = (): number => (matchMedia("(max-width: 720px)").matches ? 48 : 34);

export function Table({ all, c, colours, state, change }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [printing, setPrinting] = useState(false);
  const [row, setRow] = useState(height);
  const [focus, setFocus] = useState<number | null>(null);
  const [said, setSaid] = useState("");
  useEffect(() => {
    const print = matchMedia("print");
    const narrow = matchMedia("(max-width: 720px)");
    const follow = () => {
      setPrinting(print.matches);
      setRow(height());
    };
    for (const one of [print, narrow]) one.addEventListener("change", follow);
    follow();
    return () => {
      for (const one of [print, narrow]) one.removeEventListener("change", follow);
    };
  }, []);
  const table = useMemo(() => tableOf(all, c), [all, c]);
  const { fold, turned, text, labels, sort } = state;
  const open = useMemo(
    () => unfolded(all, { fold, turned, text, labels }),
    [all, fold, turned, text, labels],
  );
  const rows = useMemo(() => rowsOf(table, all, sort, open), [table, all, sort, open]);
  const view = printing ? Math.min(rows.length, MOST_PRINTED) * row : 640;
  const first = printing ? 0 : Math.max(0, Math.floor(top / row) - BEFORE);
  const last = Math.min(rows.length, Math.ceil((top + view) / row) + BEFORE);
  const current = rows.find((one) => one.original.key === focus) ?? rows[0];
  const total = meanOf(all, c);
  const most = known(all) ? span(all.figures, c)[2] : 0;

  const to = (place: number) => {
    const target = rows[Math.max(0, Math.min(rows.length - 1, place))];
    const element = box.current;
    if (!target || !element) return;
    const y = rows.indexOf(target) * row;
    if (y < element.scrollTop) element.scrollTop = y;
    if (y + 2 * row > element.scrollTop + element.clientHeight)
      element.scrollTop = y + 2 * row - element.clientHeight;
    setFocus(target.original.key);
    requestAnimationFrame(() =>
      element.querySelector<HTMLElement>(`[data-row="${target.original.key}"]`)?.focus(),
    );
  };
  const turn = (node: Node) => {
    const others = turned.filter((key) => key !== node.key);
    change({ turned: others.length < turned.length ? others : [...turned, node.key] });
  };
  const put = (some: TreeRow[]) =>
    copy(rowsAsText(some, c)).then((ok) =>
      setSaid(ok ? `${many(some.length, "row")} copied` : "The browser does not allow copying"),
    );
  const press = (event: KeyboardEvent) => {
    if (!current || event.altKey || (event.target as Element).closest("thead")) return;
    const place = rows.indexOf(current);
    const node = current.original;
    if (event.key === "c" && (event.ctrlKey || event.metaKey)) {
      if (getSelection()?.isCollapsed !== false) put([current]);
      return;
    }
    if (event.ctrlKey || event.metaKey) return;
    const isOpen = node.children.length > 0 && open(node);
    const parent = rows.findIndex((one) => one.original === node.parent);
    const steps: Record<string, () => void> = {
      ArrowDown: () => to(place + 1),
      ArrowUp: () => to(place - 1),
      PageDown: () => to(place + 12),
      PageUp: () => to(place - 12),
      Home: () => to(0),
      End: () => to(rows.length - 1),
      ArrowRight: () => (isOpen ? to(place + 1) : node.children.length && turn(node)),
      ArrowLeft: () => (isOpen ? turn(node) : parent >= 0 && to(parent)),
      Enter: () => change({ picked: node.key }),
      " ": () => change({ picked: node.key }),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  const head = (id: Sort, label: string, className = "") => (
    <Head {...{ id, label, className }} sort={state.sort} turn={(sort) => change({ sort })} />
  );
  return (
    <section class="panel" aria-labelledby="table-title">
      <header class="panel-head">
        <h2 id="table-title">Runs</h2>
        <span class="faint">{many(rows.length, "row")}</span>
        <div class="tools">
          <button type="button" onClick={() => change({ fold: "all", turned: [] })}>
            Unfold all
          </button>
          <button type="button" onClick={() => change({ fold: "none", turned: [] })}>
            Fold all
          </button>
          <button type="button" onClick={() => put(rows)}>
            Copy table
          </button>
          <span role="status" class="faint">
            {said}
          </span>
        </div>
      </header>
      {rows.length === 0 ? (
        <p class="nothing">No run matches.</p>
      ) : (
        <div
          class="grid-box"
          ref={box}
          onScroll={(event) => setTop((event.target as HTMLElement).scrollTop)}
        >
          <table
            class="grid"
            role="treegrid"
            aria-label="Run tree"
            aria-rowcount={rows.length + 1}
            onKeyDown={press}
          >
            <thead>
              <tr aria-rowindex={1}>
                {head("name", "run")}
                {head("what", "kind, model", "wide")}
                {head("calls", "calls", "number wide")}
                {head("in", "tokens in", "number wide")}
                {head("out", "out", "number wide")}
                {head("time", "time", "number wide")}
                {all.training[TRAINED_CALLS] ? head("training", "training", "number wide") : null}
                {head("value", c.label, "number value")}
                <th scope="col" class="number">
                  share
                </th>
              </tr>
            </thead>
            <tbody>
              {first > 0 && <Space height={first * row} />}
              {rows.slice(first, last).map((one, at) => (
                <RowView
                  key={one.id}
                  {...{ c, total, most }}
                  trains={Boolean(all.training[TRAINED_CALLS])}
                  node={one.original}
                  place={first + at}
                  hue={colours.of(one.original)}
                  open={one.original.children.length > 0 ? open(one.original) : null}
                  chosen={one.original.key === state.picked}
                  reachable={one === current}
                  turn={turn}
                  pick={(node) => {
                    setFocus(node.key);
                    change({ picked: node.key });
                  }}
                />
              ))}
              {last < rows.length && !printing && <Space height={(rows.length - last) * row} />}
            </tbody>
          </table>
          {printing && last < rows.length && (
            <p>{integer(rows.length - last)} more rows are not printed: fold, or filter.</p>
          )}
        </div>
      )}
    </section>
  );
}

function Space({ height: px }: { height: number }) {
  return (
    <tr class="space" aria-hidden="true">
      <td style={{ height: `${px}px` }} />
    </tr>
  );
}

function Head({ id, label, className, sort, turn }: HeadProps) {
  const now = sorting(sort).find((one) => one.id === id);
  const order = now ? (now.desc ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={className} aria-sort={order}>
      <button type="button" class="sort" onClick={() => turn(nextSort(sort, id))}>
        {label}
        <span aria-hidden="true">{now ? (now.desc ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
}

function RowView({
  node,
  c,
  total,
  most,
  trains,
  place,
  hue,
  open,
  chosen,
  reachable,
  turn,
  pick,
}: RowProps) {
  const { tally, line } = node;
  const value = known(node) && tally.calls > 0 ? span(node.figures, c) : null;
  const unknown = value && Number.isNaN(value[1]);
  const q = value && !unknown ? shown(value, c) : null;
  const mark = node.lines.length === 1 && node.times === 1 && line.status !== "ok" && line.status;
  const from = node.lines.length === 1 && line.own?.source;
  const model = node.lines.every((one) => one.model === line.model) ? line.model : null;
  const what = [node.kind, model].filter(Boolean).join(" ");
  const siblings = node.parent?.children ?? [];
  return (
    <tr
      data-row={node.key}
      aria-level={node.depth + 1}
      aria-posinset={siblings.indexOf(node) + 1}
      aria-setsize={siblings.length}
      aria-rowindex={place + 2}
      aria-selected={chosen}
      aria-expanded={open ?? undefined}
      tabIndex={reachable ? 0 : -1}
      onClick={() => pick(node)}
    >
      <th scope="row" class="run">
        <span
          class="run-line"
          style={{ paddingLeft: `${Math.min(node.depth, MOST_INDENT) * 16}px` }}
        >
          {open === null ? (
            <span class="leaf" aria-hidden="true" />
          ) : (
            <button
              type="button"
              class="turn"
              tabIndex={-1}
              aria-hidden="true"
              onClick={(event) => {
                event.stopPropagation();
                turn(node);
              }}
            >
              {open ? "▾" : "▸"}
            </button>
          )}
          <i class={`dot hue-${hue}`} aria-hidden="true" />
          <span class="run-name">
            <bdi title={node.name}>{node.name}</bdi>
            {node.times > 1 && <small> × {integer(node.times)}</small>}
            {node.below > 0 && <small> +{integer(node.below)}</small>}
            {mark && <em class={`mark ${mark}`}>{mark}</em>}
            {from && from !== "estimated" && <em class="mark">{from}</em>}
            {tally.cached > 0 && tally.cached === tally.calls && <em class="mark">cached</em>}
            <span class="narrow faint">{what}</span>
          </span>
        </span>
      </th>
      <td class="wide what" title={what}>
        <bdi>{what}</bdi>
      </td>
      <td class="number wide">{tally.calls ? count(tally.calls) : ""}</td>
      <td class="number wide">
        {tally.calls ? tokens(tally.inputs, tally.unknown_inputs, tally.calls - tally.cached) : ""}
      </td>
      <td class="number wide">
        {tally.calls
          ? tokens(tally.outputs, tally.unknown_outputs, tally.calls - tally.cached)
          : ""}
      </td>
      <td class="number wide">{elapsed(node)}</td>
      {trains && <TrainingCell training={node.training} c={c} />}
      <td class="number value" title={value ? full(value, c) : undefined}>
        {q && value ? (
          <>
            <RangeBar value={value} most={most} />
            <span>
              {node.unestimated > 0 && "≥"}
              {q.mean} {q.unit}
            </span>
          </>
        ) : (
          <span class="faint">{tally.calls ? (unknown ? "unknown" : "not estimated") : ""}</span>
        )}
      </td>
      <td class="number">{q ? percent(meanOf(node, c) / total) : ""}</td>
    </tr>
  );
}

/** The share of training, in no other figure. */
export function TrainingCell({ training, c }: { training: Float64Array | null; c: Criterion }) {
  const value = trained(training, c);
  const unknown = value && Number.isNaN(value[1]);
  return (
    <td class="number wide faint" title={value ? `${full(value, c)}, in no other column` : ""}>
      {unknown ? "unknown" : value && mean(value[1], c)}
    </td>
  );
}

interface Props {
  all: Node;
  c: Criterion;
  colours: Colours;
  state: State;
  change: Change;
}

interface HeadProps {
  id: Sort;
  label: string;
  className: string;
  sort: string;
  turn: (sort: string) => void;
}

interface RowProps {
  node: Node;
  c: Criterion;
  total: number;
  most: number;
  /** Whether there is a column of training. */
  trains: boolean;
  place: number;
  hue: number;
  /** Null: nothing is under it. */
  open: boolean | null;
  chosen: boolean;
  reachable: boolean;
  turn: (node: Node) => void;
  pick: (node: Node) => void;
}

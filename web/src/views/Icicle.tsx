import { hierarchy, partition } from "d3-hierarchy";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Colours } from "../colours";
import { known, meanOf, type Node } from "../tree";
import { type Criterion, full, integer, many, percent, shown, span } from "../units";

/** How high a row is, px: where there are few, they are higher. */
const LOW = 30;
const HIGH = 58;
const ROOM = 300;
const MOST_ROWS = 16;
/** Narrower than that, px, a run is drawn with its neighbours. */
const NARROWEST = 3;

interface Placed {
  node: Node;
  x0: number;
  x1: number;
  row: number;
  children: Placed[];
}

interface Block {
  node: Node;
  left: number;
  width: number;
  row: number;
  /** Above the node that is zoomed to. */
  above: boolean;
  /** How many runs this block stands for beside its node. */
  others: number;
}

/** Every node's place, 0 to 1: children beside each other, the largest first. */
function place(all: Node, c: Criterion): Map<number, Placed> {
  const root = hierarchy<Node>(all, (node) => node.children)
    .sum((node) => own(node, c))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const placed = new Map<number, Placed>();
  for (const one of partition<Node>()(root).descendants()) {
    const item: Placed = { node: one.data, x0: one.x0, x1: one.x1, row: one.depth, children: [] };
    placed.set(one.data.key, item);
    if (one.parent) placed.get(one.parent.data.key)?.children.push(item);
  }
  return placed;
}

function own(node: Node, c: Criterion): number {
  const value = span(node.ownFigures, c)[1];
  return Number.isNaN(value) ? 0 : value;
}

/** What is to be drawn: the nodes above the zoomed one, it, and what under it is wide enough. */
function blocksOf(top: Placed, width: number, skip: number): Block[] {
  const out: Block[] = [];
  const ancestors: Node[] = [];
  for (let node = top.node.parent; node; node = node.parent) ancestors.unshift(node);
  for (const node of ancestors.slice(skip))
    out.push({ node, left: 0, width: 100, row: out.length, above: true, others: 0 });
  const first = out.length;
  const scale = 100 / (top.x1 - top.x0 || 1);
  const stack: Placed[] = [top];
  for (let one = stack.pop(); one; one = stack.pop()) {
    const row = first + one.row - top.row;
    out.push({ ...block(one, one.x1), row, above: false, others: 0 });
    if (row + 1 >= MOST_ROWS) continue;
    const narrow = one.children.filter((child) => wide(child.x0, child.x1) < NARROWEST);
    for (const child of one.children.slice(0, one.children.length - narrow.length).reverse())
      stack.push(child);
    const [start] = narrow;
    const end = narrow.at(-1);
    if (start && end && wide(start.x0, end.x1) >= 2)
      out.push({ ...block(start, end.x1), row: row + 1, above: false, others: narrow.length });
  }
  return out;

  function wide(x0: number, x1: number): number {
    return (((x1 - x0) * scale) / 100) * width;
  }
  function block(one: Placed, x1: number) {
    return { node: one.node, left: (one.x0 - top.x0) * scale, width: (x1 - one.x0) * scale };
  }
}

export function Icicle({ all, c, colours, zoom, picked, go }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1000);
  const [focus, setFocus] = useState<number | null>(null);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width || 1000));
    if (box.current) seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  const placed = useMemo(() => place(all, c), [all, c]);
  const single = all.children.length === 1 ? all.children[0] : undefined;
  const start = single ?? all;
  const found = placed.get(zoom);
  const top = found && found.node !== all ? found : placed.get(start.key);
  const total = meanOf(all, c);
  const blocks = useMemo(
    () => (top && total > 0 ? blocksOf(top, width, single ? 1 : 0) : []),
    [top, width, total, single],
  );
  if (!top || !(total > 0))
    return (
      <p class="nothing">
        {all.tally.calls === 0
          ? "Nothing to draw: no model was called."
          : known(all)
            ? `Nothing to draw: ${c.label} is ${Number.isNaN(span(all.figures, c)[1]) ? "unknown" : "zero"}.`
            : "Nothing to draw: no call could be estimated."}
      </p>
    );
  const rows = Math.max(...blocks.map((block) => block.row)) + 1;
  const high = Math.max(LOW, Math.min(HIGH, Math.floor(ROOM / rows)));
  const keys = blocks.filter((block) => !block.others).map((block) => block.node.key);
  const current = focus !== null && keys.includes(focus) ? focus : top.node.key;

  const to = (node: Node | null | undefined) => {
    if (!node || !keys.includes(node.key)) return;
    setFocus(node.key);
    box.current?.querySelector<HTMLElement>(`[data-key="${node.key}"]`)?.focus();
  };
  const press = (event: KeyboardEvent) => {
    const here = placed.get(current);
    if (!here) return;
    const siblings = placed.get(here.node.parent?.key ?? -2)?.children ?? [];
    const at = siblings.indexOf(here);
    const steps: Record<string, () => void> = {
      ArrowDown: () => to(here.children[0]?.node),
      ArrowUp: () => to(here.node.parent),
      ArrowLeft: () => to(siblings[at - 1]?.node),
      ArrowRight: () => to(siblings[at + 1]?.node),
      Home: () => to(top.node),
      Enter: () => go(here.node),
      " ": () => go(here.node),
      Escape: () => go(top.node.parent ?? start),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  return (
    <div
      ref={box}
      class="icicle"
      role="tree"
      aria-label={`Run tree, each run as wide as its share of ${c.label}`}
      style={{ height: `${rows * high}px` }}
      onKeyDown={press}
    >
      {blocks.map((block) => (
        <BlockView
          key={`${block.node.key}${block.others ? "+" : ""}`}
          {...{ block, c, total, width, high }}
          hue={colours.of(block.node)}
          chosen={block.node.key === picked && !block.others}
          reachable={block.node.key === current && !block.others}
          pick={() => {
            setFocus(block.node.key);
            go(block.others ? (block.node.parent ?? start) : block.node);
          }}
        />
      ))}
    </div>
  );
}

function BlockView({ block, c, total, width, high, hue, chosen, reachable, pick }: BlockProps) {
  const { node, others } = block;
  const share = meanOf(node, c) / total;
  const q = shown(span(node.figures, c), c);
  const px = (block.width * width) / 100;
  const name = node.times > 1 ? `${node.name} × ${integer(node.times)}` : node.name;
  const kind = [node.kind, node.lines.every((l) => l.model === node.line.model) && node.line.model];
  const title = others
    ? `${many(others, "run")} too small to draw each: put like runs together, or filter`
    : `${name}, ${kind.filter(Boolean).join(" ")}: ${full(span(node.figures, c), c)}, ${percent(share)}`;
  const place = {
    left: `${block.left}%`,
    width: `${block.width}%`,
    top: `${block.row * high}px`,
    height: `${high - 1}px`,
  };
  const classes = `block hue-${others ? "others" : hue}${block.above ? " above" : ""}${px < 14 ? " thin" : ""}`;
  if (others)
    return (
      <div class={classes} style={place} title={title} onClick={pick} aria-hidden="true">
        {px > 60 && <span>{`+${integer(others)}`}</span>}
      </div>
    );
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree listens to keys
    <div
      class={classes}
      style={place}
      title={title}
      data-key={node.key}
      role="treeitem"
      aria-level={Math.max(1, node.depth + 1)}
      aria-selected={chosen}
      aria-label={px > 28 ? undefined : title}
      tabIndex={reachable ? 0 : -1}
      onClick={pick}
    >
      {px > 28 && (
        <>
          <span class="hidden">{title}</span>
          <span class="block-name" aria-hidden="true">
            <bdi>{name}</bdi>
            {px > 190 && <small>{percent(share)}</small>}
          </span>
        </>
      )}
      {px > 90 && high > 46 && (
        <span class="block-more" aria-hidden="true">
          {q.mean} {q.unit}
          {px > 190 && q.range && `, ${q.range}`}
        </span>
      )}
    </div>
  );
}

interface Props {
  all: Node;
  c: Criterion;
  colours: Colours;
  zoom: number;
  picked: number;
  /** Zoom to a node and pick it. */
  go: (node: Node) => void;
}

interface BlockProps {
  block: Block;
  c: Criterion;
  total: number;
  width: number;
  high: number;
  hue: number;
  chosen: boolean;
  reachable: boolean;
  pick: () => void;
}

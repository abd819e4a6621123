/** The tree as rows to sort and unfold, by TanStack Table. */

import {
  constructTable,
  createColumnHelper,
  createExpandedRowModel,
  createSortedRowModel,
  type Row,
  rowExpandingFeature,
  rowSortingFeature,
  tableFeatures,
} from "@tanstack/table-core";
import { storeReactivityBindings } from "@tanstack/table-core/store-reactivity-bindings";
import type { State } from "./state";
import { known, meanOf, type Node } from "./tree";
import { type Criterion, trained } from "./units";

const features = tableFeatures({
  coreReactivityFeature: storeReactivityBindings(),
  rowExpandingFeature,
  rowSortingFeature,
  expandedRowModel: createExpandedRowModel(),
  sortedRowModel: createSortedRowModel(),
});

export type TreeRow = Row<typeof features, Node>;
export const SORTS = ["name", "what", "calls", "in", "out", "time", "training", "value"] as const;
export type Sort = (typeof SORTS)[number];

/** Rows that are unfolded at first. */
const AT_FIRST = 60;
const FOUND_AT_FIRST = 200;

const elapsedOf = (node: Node): number =>
  node.lines.reduce((sum, line) => sum + line.elapsed_s, 0) / Math.max(1, node.times);

function columnsBy(c: Criterion) {
  const value = (node: Node, name: Sort): string | number =>
    ({
      name: () => node.name,
      what: () => `${node.kind} ${node.line.model ?? ""}`,
      calls: () => node.tally.calls,
      in: () => node.tally.inputs,
      out: () => node.tally.outputs,
      time: () => elapsedOf(node),
      training: () => trained(node.training, c)?.[1] || -1,
      value: () => (known(node) ? meanOf(node, c) : -1),
    })[name]();
  const helper = createColumnHelper<typeof features, Node>();
  return helper.columns(
    SORTS.map((name) =>
      helper.accessor((node) => value(node, name), {
        id: name,
        sortDescFirst: name !== "name" && name !== "what",
        sortFn: (a, b) => {
          const [x, y] = [value(a.original, name), value(b.original, name)];
          return typeof x === "number" ? x - (y as number) : x.localeCompare(y as string);
        },
      }),
    ),
  );
}

export function tableOf(all: Node, c: Criterion) {
  return constructTable({
    features,
    columns: columnsBy(c),
    data: all.children,
    getSubRows: (node) => node.children,
    getRowId: (node) => String(node.key),
  });
}

/** `value` is ascending, `-value` descending, nothing the order of the run. */
export function sorting(sort: string): { id: Sort; desc: boolean }[] {
  const id = sort.replace(/^-/, "") as Sort;
  return SORTS.includes(id) ? [{ id, desc: sort.startsWith("-") }] : [];
}

/** What a click on a column's head makes of the sorting: its first order, the other one, none. */
export function nextSort(sort: string, id: Sort): string {
  const first = id === "name" || id === "what" ? id : `-${id}`;
  const second = first.startsWith("-") ? id : `-${id}`;
  return sort === first ? second : sort === second ? "" : first;
}

/** Level by level as many as one looks at. */
function unfoldedAtFirst(all: Node, most: number): Set<number> {
  const open = new Set<number>();
  let shown = all.children.length;
  let level = all.children;
  while (level.length) {
    const next: Node[] = [];
    for (const node of level) {
      if (!node.children.length || (shown + node.children.length > most && open.size)) continue;
      shown += node.children.length;
      open.add(node.key);
      next.push(...node.children);
    }
    level = next;
  }
  return open;
}

/** Whether a node is unfolded, by what the reader chose. */
export function unfolded(
  all: Node,
  state: Pick<State, "fold" | "turned" | "text" | "labels">,
): (node: Node) => boolean {
  const searched = state.text || Object.keys(state.labels).length;
  const first =
    state.fold === "auto" ? unfoldedAtFirst(all, searched ? FOUND_AT_FIRST : AT_FIRST) : null;
  const turned = new Set(state.turned);
  return (node) => turned.has(node.key) !== (first?.has(node.key) ?? state.fold === "all");
}

/** The rows that are seen, in order. */
export function rowsOf(
  table: ReturnType<typeof tableOf>,
  all: Node,
  sort: string,
  open: (node: Node) => boolean,
): TreeRow[] {
  const keys: Record<string, boolean> = {};
  const stack = [...all.children];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (!node.children.length || !open(node)) continue;
    keys[node.key] = true;
    stack.push(...node.children);
  }
  table.setSorting(sorting(sort));
  table.setExpanded(keys);
  return table.getRowModel().rows;
}

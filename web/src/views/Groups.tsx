import { useMemo } from "preact/hooks";
import { type Group, type Shown, visible } from "../data";
import type { Change, State } from "../state";
import { LABELS, type Label } from "../tree";
import {
  type Criterion,
  count,
  full,
  integer,
  many,
  percent,
  type Span,
  shown,
  span,
} from "../units";
import { RangeBar } from "./Range";
import { TrainingCell } from "./Table";

const NAMES: Record<string, string> = { root: "outermost run" };

/** What the calls of each model, agent, step, ... cost: of the whole report, by its groups. */
export function Groups({ data, c, by, labels, change }: Props) {
  const all = useMemo(
    () =>
      Object.entries(data.groups)
        .map(([key, groups]) => ({ key, groups }))
        .filter(({ groups }) => groups.some((group) => group.label !== null)),
    [data],
  );
  const several = all.find((one) => one.groups.length > 1);
  const shownBy = all.find((one) => one.key === by) ?? several ?? all[0];
  if (!shownBy) return null;
  const values = shownBy.groups.map((group) => spanOf(group, c));
  const most = Math.max(
    0,
    ...values.map((value) => (value && !Number.isNaN(value[2]) ? value[2] : 0)),
  );
  const total = values.reduce((sum, value) => sum + (value?.[1] || 0), 0);
  const trains = shownBy.groups.some((group) => group.total.training);
  const order = shownBy.groups
    .map((group, at) => ({ group, value: values[at] ?? null }))
    .sort((a, b) => (a.group.others ? 1 : 0) - (b.group.others ? 1 : 0) || rank(b) - rank(a));
  return (
    <section class="panel" aria-labelledby="groups-title">
      <header class="panel-head">
        <h2 id="groups-title">What costs how much</h2>
        <div class="tools tabs" role="radiogroup" aria-label="Groups by">
          {all.map(({ key }) => (
            <label key={key}>
              <input
                type="radio"
                name="by"
                checked={key === shownBy.key}
                onChange={() => change({ by: key })}
              />
              <span>{NAMES[key] ?? key}</span>
            </label>
          ))}
        </div>
      </header>
      <table class="bars">
        <thead>
          <tr>
            <th scope="col">{NAMES[shownBy.key] ?? shownBy.key}</th>
            <th scope="col" class="number wide">
              calls
            </th>
            <th scope="col" class="bar">
              <span class="hidden">range of {c.label}</span>
            </th>
            {trains && (
              <th scope="col" class="number wide">
                training
              </th>
            )}
            <th scope="col" class="number">
              {c.label}
            </th>
            <th scope="col" class="number">
              share
            </th>
          </tr>
        </thead>
        <tbody>
          {order.map(({ group, value }) => (
            <Bar
              key={group.others ? "\n" : (group.label ?? "\t")}
              {...{ group, value, c, most, total, trains, labels, change }}
              by={shownBy.key}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function spanOf(group: Group, c: Criterion): Span | null {
  return group.total.figures ? span(group.total.figures, c) : null;
}

const rank = ({ value }: { value: Span | null }): number => value?.[1] || 0;

function Bar({ group, value, c, most, total, trains, by, labels, change }: BarProps) {
  const name = group.others
    ? `… ${integer(group.others)} more`
    : group.label === null
      ? "–"
      : visible(group.label);
  const key = (LABELS as readonly string[]).includes(by) ? (by as Label) : null;
  const only = key && !group.others ? (group.label ?? "") : null;
  const chosen = key !== null && only !== null && labels[key] === only;
  const unknown = value && Number.isNaN(value[1]);
  const q = value && !unknown ? shown(value, c) : null;
  const turn = () => {
    if (!key || only === null) return;
    const { [key]: _, ...rest } = labels;
    change({ labels: chosen ? rest : { ...rest, [key]: only }, turned: [] });
  };
  return (
    <tr class={chosen ? "chosen" : ""}>
      <th scope="row">
        {only === null ? (
          <bdi>{name}</bdi>
        ) : (
          <button
            type="button"
            class="filter"
            aria-pressed={chosen}
            title={chosen ? "Show all runs again" : "Show only these runs"}
            onClick={turn}
          >
            <bdi>{name}</bdi>
          </button>
        )}
      </th>
      <td class="number wide">{count(group.tally.calls)}</td>
      <td class="bar">{value && q && <RangeBar value={value} most={most} />}</td>
      {trains && <TrainingCell training={group.total.training} c={c} />}
      <td class="number" title={value ? full(value, c) : many(group.total.unestimated, "call")}>
        {q ? (
          <>
            {group.total.unestimated > 0 && "≥"}
            {q.mean} {q.unit} {q.range && <small class="wide">{q.range}</small>}
          </>
        ) : unknown ? (
          "unknown"
        ) : (
          "not estimated"
        )}
      </td>
      <td class="number">{q && total > 0 ? percent((value?.[1] ?? 0) / total) : ""}</td>
    </tr>
  );
}

interface Props {
  data: Shown;
  c: Criterion;
  by: string;
  labels: State["labels"];
  change: Change;
}

interface BarProps extends Omit<Props, "data"> {
  group: Group;
  value: Span | null;
  most: number;
  total: number;
  trains: boolean;
}

import type { Shown } from "../data";
import type { Change } from "../state";
import { type Node, spanOf } from "../tree";
import { CRITERIA, type Criterion, shown } from "../units";
import { RangeBar } from "./Range";

/** What it cost, by every criterion; the one that is chosen is what the rest of the page shows. */
export function Totals({ all, data, c: chosen, change }: Props) {
  const total = data.report.total;
  const none = all.tally.calls === 0;
  return (
    <section class="totals" aria-label="Total">
      <div class="cards" role="radiogroup" aria-label="Criterion that the page shows">
        {CRITERIA.map((c) => {
          const value = none ? ([0, 0, 0] as const) : spanOf(all, c);
          const q = value && !Number.isNaN(value[1]) ? shown(value, c) : null;
          return (
            <label class="card" key={c.key}>
              <input
                type="radio"
                name="criterion"
                checked={c === chosen}
                onChange={() => change({ criterion: c.key })}
              />
              <span class="card-title">{c.title}</span>
              <span class="card-value">
                {q ? (
                  <>
                    {total.lower_bound && <abbr title="at least">≥</abbr>}
                    <b>{q.mean}</b> {q.unit}
                  </>
                ) : (
                  <b class="unknown">{value ? "unknown" : "not estimated"}</b>
                )}
              </span>
              {value && q && <RangeBar value={value} most={value[2] * 1.12} />}
              <span class="card-range">
                {q?.range ? `${q.range} ${q.unit}` : q ? "one figure" : "\u00a0"}
              </span>
            </label>
          );
        })}
      </div>
    </section>
  );
}

interface Props {
  all: Node;
  data: Shown;
  c: Criterion;
  change: Change;
}

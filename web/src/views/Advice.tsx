import { type Shown, visible } from "../data";
import { criterion, many, shown } from "../units";
import { RangeBar } from "./Range";

/** What could be saved in these calls, what saves most first. */
export function Advice({ data }: { data: Shown }) {
  const advice = data.report.advice;
  if (!advice?.items.length) return null;
  const gwp = criterion("gwp");
  const most = Math.max(...advice.items.map((item) => item.saving_gwp_kgco2eq.max));
  return (
    <section class="panel" aria-labelledby="advice-title">
      <header class="panel-head">
        <h2 id="advice-title">What would help</h2>
      </header>
      <p class="faint">{visible(advice.about)}</p>
      <ol class="advice">
        {advice.items.map((item) => {
          const { min, mean, max } = item.saving_gwp_kgco2eq;
          const value = [min, mean, max] as const;
          const q = shown(value, gwp);
          return (
            <li key={`${item.kind} ${item.what}`}>
              <h3>{visible(item.what)}</h3>
              <div class="saving">
                <p>
                  saves <b>{q.mean}</b> {q.unit}, <b>{percent(item.share)}</b>
                </p>
                <RangeBar value={value} most={most * 1.12} />
                <p class="faint">
                  {q.range && `${q.range} ${q.unit}, `}
                  {many(item.calls, "call")}
                </p>
              </div>
              <p>{visible(item.evidence)}</p>
              <p class="faint">{visible(item.how)}</p>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

const percent = (share: number): string => `${(100 * share).toFixed(share >= 0.095 ? 0 : 1)}%`;

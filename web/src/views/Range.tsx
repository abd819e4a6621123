import { scaleLinear } from "d3-scale";
import type { Span } from "../units";

/** A range drawn as a range: low to high, with a tick at the expected value. */
export function RangeBar({ value, most }: { value: Span; most: number }) {
  const [low, mean, high] = value;
  if (!Number.isFinite(high) || !(most > 0)) return <span class="range" aria-hidden="true" />;
  const x = scaleLinear([0, most], [0, 100]).clamp(true);
  return (
    <span class="range" aria-hidden="true">
      <span class="range-low" style={{ width: `${x(low)}%` }} />
      <span class="range-ends" style={{ left: `${x(low)}%`, width: `${x(high) - x(low)}%` }} />
      <span class="range-mean" style={{ left: `${x(mean)}%` }} />
    </span>
  );
}

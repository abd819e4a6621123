/** Calls in lanes, so that none covers another. */

import type { Line } from "./data";

export interface Lanes {
  /** In the order they began, each with its lane. */
  calls: { line: Line; lane: number }[];
  lanes: number;
  /** How many would be needed. */
  needed: number;
  end_s: number;
  /** How many calls the bars stand for: of folded levels one stands for several. */
  drawn: number;
  /** Calls without a bar: of lines that sum up several runs, or without an end. */
  left: number;
}

export const MOST_LANES = 40;

/** Each call in the first lane that is free when it begins; beyond MOST_LANES they share lanes. */
export function inLanes(lines: Line[]): Lanes {
  const calls = lines
    .filter((line) => line.tally.calls > 0 && line.times === 1 && line.timed > 0)
    .sort((a, b) => a.begin_s - b.begin_s || a.place - b.place);
  const free: number[] = [];
  let end = 0;
  const placed = calls.map((line) => {
    const stop = line.begin_s + line.elapsed_s;
    end = Math.max(end, stop);
    let lane = free.findIndex((until) => until <= line.begin_s);
    if (lane < 0) lane = free.length;
    free[lane] = stop;
    return { line, lane };
  });
  const needed = free.length;
  const lanes = Math.min(needed, MOST_LANES);
  for (const one of placed) one.lane %= MOST_LANES;
  const drawn = calls.reduce((sum, line) => sum + line.tally.calls, 0);
  const left = lines.reduce((sum, line) => sum + line.tally.calls, -drawn);
  return { calls: placed, lanes, needed, end_s: end, drawn, left };
}

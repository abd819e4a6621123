import { scaleLinear } from "d3-scale";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Colours } from "../colours";
import type { Line } from "../data";
import { inLanes, MOST_LANES } from "../lanes";
import type { Node } from "../tree";
import { type Criterion, duration, full, integer, many, span } from "../units";

const AXIS = 22;

/** When which call ran: one bar each, in lanes. */
export function Timeline({ lines, nodeOf, c, colours, theme, picked, pick }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState(-1);
  const { calls, lanes, needed, end_s, drawn, left } = useMemo(() => inLanes(lines), [lines]);
  const begin = calls[0]?.line.begin_s ?? 0;
  const row = Math.max(5, Math.min(18, 240 / Math.max(1, lanes)));
  const height = lanes * row + AXIS;
  const x = scaleLinear([begin, end_s > begin ? end_s : begin + 1], [0, width]);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    if (canvas.current?.parentElement) seen.observe(canvas.current.parentElement);
    return () => seen.disconnect();
  }, [calls.length > 0]);
  const chosen = calls.findIndex(({ line }) => nodeOf.get(line.place)?.key === picked);
  const shownAt = at >= 0 && at < calls.length ? at : chosen;
  useLayoutEffect(() => {
    const draw = () => paint();
    draw();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => dark.removeEventListener("change", draw);
  }, [calls, width, height, colours, theme, shownAt, nodeOf]);
  const missing = left > 0 && `${many(left, "call")} of lines that sum up runs are not drawn`;
  if (!calls.length)
    return missing ? (
      <section class="panel" aria-labelledby="time-title">
        <h2 id="time-title">When it ran</h2>
        <p class="faint">{missing}.</p>
      </section>
    ) : null;

  function paint(): void {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (!element || !pen || !width) return;
    const ratio = devicePixelRatio || 1;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    pen.scale(ratio, ratio);
    const styles = getComputedStyle(element);
    const ink = (name: string) => styles.getPropertyValue(name).trim();
    pen.font = `11px ${styles.fontFamily}`;
    pen.textBaseline = "bottom";
    for (const tick of x.ticks(Math.max(2, Math.floor(width / 110)))) {
      pen.fillStyle = ink("--line");
      pen.fillRect(Math.round(x(tick)), 0, 1, height - AXIS + 4);
      const label = tick === begin ? "0 s" : duration(tick - begin);
      const room = pen.measureText(label).width;
      pen.fillStyle = ink("--faint");
      pen.fillText(label, Math.min(x(tick), width - room), height);
    }
    const hues = new Map<number, string>();
    calls.forEach(({ line, lane }, place) => {
      const node = nodeOf.get(line.place);
      const hue = node ? colours.of(node) : -1;
      const colour = hues.get(hue) ?? ink(hue < 0 ? "--hue-none" : `--hue-${hue}`);
      hues.set(hue, colour);
      pen.fillStyle = colour;
      const left = x(line.begin_s);
      const wide = Math.max(1.5, x(line.begin_s + line.elapsed_s) - left - 0.5);
      pen.fillRect(left, lane * row, wide, row - 1);
      if (place === shownAt) {
        pen.strokeStyle = ink("--ink");
        pen.lineWidth = 2;
        pen.strokeRect(left, lane * row, wide, row - 1);
      }
    });
  }

  const find = (event: MouseEvent): number => {
    const rect = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [px, lane] = [event.clientX - rect.left, Math.floor((event.clientY - rect.top) / row)];
    return calls.findLastIndex(
      (one) =>
        one.lane === lane &&
        x(one.line.begin_s) - 2 <= px &&
        px <= x(one.line.begin_s + one.line.elapsed_s) + 2,
    );
  };
  const press = (event: KeyboardEvent) => {
    const to: Record<string, number> = {
      ArrowRight: Math.min(calls.length - 1, shownAt + 1),
      ArrowLeft: Math.max(0, shownAt - 1),
      Home: 0,
      End: calls.length - 1,
    };
    const place = to[event.key];
    if (place !== undefined) {
      event.preventDefault();
      setAt(place);
    } else if (event.key === "Enter" && calls[shownAt]) {
      pick(nodeOf.get(calls[shownAt].line.place));
    }
  };
  const told = calls[shownAt];
  return (
    <section class="panel" aria-labelledby="time-title">
      <header class="panel-head">
        <h2 id="time-title">When it ran</h2>
        <span class="faint">
          {many(drawn, "call")} in {duration(end_s - begin)}
          {drawn > calls.length && `, drawn as ${many(calls.length, "bar")}`}, at most{" "}
          {integer(needed)} at once
          {needed > MOST_LANES && `; ${MOST_LANES} lanes are drawn, which they share`}
          {missing && `; ${missing}`}
        </span>
      </header>
      <div class="timeline">
        <canvas
          ref={canvas}
          style={{ height: `${height}px` }}
          role="slider"
          tabIndex={0}
          aria-label="Timeline of calls; left and right walk through them"
          aria-valuemin={1}
          aria-valuemax={calls.length}
          aria-valuenow={shownAt + 1}
          aria-valuetext={told ? describe(told.line, c) : "no call chosen"}
          onKeyDown={press}
          onMouseMove={(event) => setAt(find(event))}
          onMouseLeave={() => setAt(-1)}
          onClick={(event) => {
            const line = calls[find(event)]?.line;
            if (line) pick(nodeOf.get(line.place));
          }}
        />
      </div>
      <p class="told faint">
        <bdi>{told ? describe(told.line, c) : "\u00a0"}</bdi>
      </p>
    </section>
  );
}

function describe(line: Line, c: Criterion): string {
  const value = line.own?.figures ? full(span(line.own.figures, c), c) : "not estimated";
  const where = [line.agent, line.step ?? line.node].filter(Boolean).join(", ");
  return `${line.name}${line.model ? ` ${line.model}` : ""}${where ? ` (${where})` : ""}: ${duration(line.elapsed_s)}, ${value}`;
}

interface Props {
  lines: Line[];
  nodeOf: Map<number, Node>;
  c: Criterion;
  colours: Colours;
  theme: string;
  picked: number;
  pick: (node: Node | undefined) => void;
}

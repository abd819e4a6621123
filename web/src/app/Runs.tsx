import { useState } from "preact/hooks";
import { type PageData, type Shown, shownOf } from "../data";
import { type Read, readReport } from "../reading";
import { criterion, full, integer, type Span } from "../units";
import { Page } from "../views/Page";
import { RangeBar } from "../views/Range";
import { ask } from "./api";
import { Field } from "./Fields";
import { Sheet } from "./Figures";
import { withGrounds } from "./grounds";
import type { ModeProps } from "./Request";
import { useAnswer } from "./request";

const SPANS = [
  ["", "as far back as it goes"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["365d", "a year"],
] as const;
type Row = Record<string, string | number | null>;

/** A report in its own view, and the server's database, where it was given one. */
export function Runs({ state, change, lists }: ModeProps) {
  const [data, setData] = useState<Read | Shown | null>(null);
  const [error, setError] = useState("");
  const take = async (file: File | undefined) => {
    if (!file) return;
    setData(null);
    try {
      setData(readReport(await file.text()));
      setError("");
    } catch (failed) {
      setError(failed instanceof Error ? failed.message : String(failed));
    }
  };
  const rest = (read: Read) =>
    withGrounds(read).then(
      (found) => setData((now) => (now === read ? found : now)),
      (failed: unknown) => setError(failed instanceof Error ? failed.message : String(failed)),
    );
  const askable = data && "asked" in data && data.asked.length > 0 ? data : null;
  const known = lists.methods.some((one) => one.method === data?.report.method);
  return (
    <section aria-labelledby="runs-title">
      <h2 id="runs-title">Your runs</h2>
      <Stored {...{ state, change }} />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the field does the same by keys */}
      <div
        class="panel drop"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <Field label="A report, as report.to_json(path) writes it: choose it, or drop it here">
          <input
            type="file"
            accept=".json,application/json"
            onChange={(event) => void take(event.currentTarget.files?.[0])}
          />
        </Field>
        <p class="faint">It is read in this page and sent nowhere, not even to this server.</p>
        {askable && known && (
          <p class="buttons">
            <button type="button" onClick={() => void rest(askable)}>
              Ask this server what it rests on
            </button>{" "}
            <span class="faint">
              By the names of its models, hosts and places, and nothing else: hypotheses of each
              model, and calls by host, by the present catalog.
            </span>
          </p>
        )}
        {error && <p class="warning">{error}</p>}
      </div>
      {data && <Tree data={data} />}
    </section>
  );
}

const Tree = ({ data }: { data: Shown }) => (
  <div class="shown">
    <Page data={data} inAddress={false} />
  </div>
);

type StoredProps = Pick<ModeProps, "state" | "change">;

/** The database, where the server was given one. */
function Stored({ state, change }: StoredProps) {
  const found = useAnswer("runs", (signal) =>
    ask<{ database: boolean; by: string[] }>("/v1/runs", undefined, signal),
  );
  if (!found.data) return found.error ? <p class="warning">{found.error}</p> : null;
  if (found.data.database) return <Database {...{ state, change }} keys={found.data.by} />;
  return (
    <p class="panel faint">
      Started with <code>--db URL</code>, the server shows here what the runs of a database cost, by
      day, agent, model and user.
    </p>
  );
}

/** Totals of the database, its dearest runs, and the one that is chosen. */
function Database({ state, change, keys }: StoredProps & { keys: string[] }) {
  const { by, since, run } = state;
  const asked = new URLSearchParams(since ? { since } : {});
  const groups = useAnswer(`groups ${by} ${since}`, async (signal) => ({
    by, // of these rows: the next ones may be on their way
    ...(await ask<{ rows: Row[] }>(`/v1/runs/groups?by=${by}&${asked}`, undefined, signal)),
  }));
  const dearest = useAnswer(`dearest ${since}`, (signal) =>
    ask<{ rows: Row[] }>(`/v1/runs/dearest?${asked}`, undefined, signal),
  );
  return (
    <>
      <div class="panel">
        <div class="row">
          <Field label="Totals by">
            <select
              name="by"
              value={by}
              onChange={(event) => change({ by: event.currentTarget.value })}
            >
              {keys.map((key) => (
                <option key={key}>{key}</option>
              ))}
            </select>
          </Field>
          <Field label="In the last">
            <select
              name="since"
              value={since}
              onChange={(event) => change({ since: event.currentTarget.value })}
            >
              {SPANS.map(([span, text]) => (
                <option key={span} value={span}>
                  {text}
                </option>
              ))}
            </select>
          </Field>
        </div>
        {groups.error && <p class="warning">{groups.error}</p>}
        {groups.data && <Groups {...groups.data} />}
        {dearest.data && <Dearest rows={dearest.data.rows} {...{ run, change }} />}
      </div>
      {run && <StoredRun id={run} />}
    </>
  );
}

/** The days one after the other, all else the dearest first. */
function Groups({ rows, by }: { rows: Row[]; by: string }) {
  const shown =
    by === "day" ? rows.toSorted((a, b) => (String(b.day) < String(a.day) ? -1 : 1)) : rows;
  const most = Math.max(0, ...rows.map((row) => Number(row.gwp_kgco2eq_max ?? 0)));
  return (
    <Sheet label={`By ${by}`} columns={[by, ...FIGURES, "low to high", "calls", "tokens in, out"]}>
      {shown.map((row) => (
        <tr key={String(row[by])}>
          <th scope="row" class={by === "day" ? "date" : ""}>
            {row[by] ?? "–"}
          </th>
          <Figures row={row} />
          <td class="bar">
            {spanOf(row, "gwp_kgco2eq") && (
              <RangeBar value={spanOf(row, "gwp_kgco2eq") as Span} most={most * 1.05} />
            )}
          </td>
          <td>{integer(Number(row.calls))}</td>
          <td>{`${integer(Number(row.input_tokens))}, ${integer(Number(row.output_tokens))}`}</td>
        </tr>
      ))}
    </Sheet>
  );
}

interface DearestProps {
  rows: Row[];
  run: string;
  change: ModeProps["change"];
}

function Dearest({ rows, run, change }: DearestProps) {
  return (
    <Sheet label="The dearest runs" columns={["run", ...FIGURES, "calls", "started"]}>
      {rows.map((row) => (
        <tr key={String(row.id)} class={row.id === run ? "chosen" : ""}>
          <th scope="row">
            <button
              type="button"
              class="filter"
              aria-pressed={row.id === run}
              title="Show its tree"
              onClick={() => change({ run: row.id === run ? "" : String(row.id) })}
            >
              <bdi>{row.name || "(no name)"}</bdi>
            </button>
          </th>
          <Figures row={row} />
          <td>{integer(Number(row.calls))}</td>
          <td class="date">{String(row.started_at).slice(0, 16).replace("T", " ")}</td>
        </tr>
      ))}
    </Sheet>
  );
}

function StoredRun({ id }: { id: string }) {
  const found = useAnswer(`run ${id}`, async (signal) =>
    shownOf(await ask<PageData>(`/v1/runs/page?${new URLSearchParams({ id })}`, undefined, signal)),
  );
  if (found.error) return <p class="panel warning">{found.error}</p>;
  return found.data && <Tree data={found.data} />;
}

const COLUMNS = [
  ["gwp", "gwp_kgco2eq"],
  ["energy", "energy_kwh"],
  ["wcf", "water_l"],
] as const;
const FIGURES = COLUMNS.map(([key]) => criterion(key).title);

function spanOf(row: Row, column: string): Span | null {
  const ends = ["min", "mean", "max"].map((end) => row[`${column}_${end}`]);
  return ends.every((value) => typeof value === "number") ? (ends as unknown as Span) : null;
}

function Figures({ row }: { row: Row }) {
  return (
    <>
      {COLUMNS.map(([key, column]) => {
        const value = spanOf(row, column);
        return (
          <td class="number" key={key}>
            {value ? full(value, criterion(key)) : "not estimated"}
          </td>
        );
      })}
    </>
  );
}

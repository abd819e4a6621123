import { useState } from "preact/hooks";
import type { Shown } from "../data";
import { readReport } from "../reading";
import { criterion, full, integer, type Span } from "../units";
import { Page } from "../views/Page";
import { ask } from "./api";
import { Field } from "./Fields";
import { Sheet } from "./Figures";
import { useAnswer } from "./request";

const KEYS = ["day", "agent", "model", "user"] as const;
type Row = Record<string, string | number | null>;

/** A report in its own view, and the server's database, where it was given one. */
export function Runs() {
  const [data, setData] = useState<Shown | null>(null);
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
  return (
    <section aria-labelledby="runs-title">
      <h2 id="runs-title">Your runs</h2>
      <Stored />
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
        {error && <p class="warning">{error}</p>}
      </div>
      {data && (
        <div class="shown">
          <Page data={data} inAddress={false} />
        </div>
      )}
    </section>
  );
}

/** The database, where the server was given one. */
function Stored() {
  const found = useAnswer("runs", (signal) =>
    ask<{ database: boolean }>("/v1/runs", undefined, signal),
  );
  if (!found.data) return found.error ? <p class="warning">{found.error}</p> : null;
  if (found.data.database) return <Database />;
  return <p class="panel faint">With --db URL the server shows the runs of a database here.</p>;
}

/** Totals of the database by day, agent, model and user, and its dearest runs. */
function Database() {
  const [by, setBy] = useState<(typeof KEYS)[number]>("day");
  const groups = useAnswer(`groups ${by}`, (signal) =>
    ask<{ rows: Row[] }>(`/v1/runs/groups?by=${by}`, undefined, signal),
  );
  const dearest = useAnswer("dearest", (signal) =>
    ask<{ rows: Row[] }>("/v1/runs/dearest", undefined, signal),
  );
  if (groups.error) return <p class="panel warning">{groups.error}</p>;
  return (
    <div class="panel">
      <Field label="Totals by">
        <select
          value={by}
          onChange={(event) => setBy(event.currentTarget.value as (typeof KEYS)[number])}
        >
          {KEYS.map((key) => (
            <option key={key}>{key}</option>
          ))}
        </select>
      </Field>
      {groups.data && (
        <Sheet label={`By ${by}`} columns={[by, "calls", "tokens in, out", ...FIGURES]}>
          {groups.data.rows.map((row) => (
            <tr key={String(row[by])}>
              <th scope="row">{row[by] ?? "–"}</th>
              <td>{integer(Number(row["calls"]))}</td>
              <td>
                {`${integer(Number(row["input_tokens"]))}, ${integer(Number(row["output_tokens"]))}`}
              </td>
              <Figures row={row} />
            </tr>
          ))}
        </Sheet>
      )}
      {dearest.data && (
        <Sheet label="The dearest runs" columns={["run", "started", "calls", ...FIGURES]}>
          {dearest.data.rows.map((row) => (
            <tr key={String(row["id"])}>
              <th scope="row">{row["name"]}</th>
              <td>{String(row["started_at"]).slice(0, 16).replace("T", " ")}</td>
              <td>{integer(Number(row["calls"]))}</td>
              <Figures row={row} />
            </tr>
          ))}
        </Sheet>
      )}
    </div>
  );
}

const COLUMNS = [
  ["gwp", "gwp_kgco2eq"],
  ["energy", "energy_kwh"],
  ["wcf", "wcf_l"],
] as const;
const FIGURES = COLUMNS.map(([key]) => criterion(key).title);

function Figures({ row }: { row: Row }) {
  return (
    <>
      {COLUMNS.map(([key, column]) => {
        const ends = ["min", "mean", "max"].map((end) => row[`${column}_${end}`]);
        const known = ends.every((value) => typeof value === "number");
        return (
          <td class="number" key={key}>
            {known ? full(ends as unknown as Span, criterion(key)) : "not estimated"}
          </td>
        );
      })}
    </>
  );
}

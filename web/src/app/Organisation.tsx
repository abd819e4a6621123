import { useState } from "preact/hooks";
import { CRITERIA, criterion, full, integer } from "../units";
import { RangeBar } from "../views/Range";
import { type Fields, USE_NAMES, type Use } from "./address";
import { ask, asked, type Impacts, type Lists, spanOf, type Organisation as Year } from "./api";
import { Choice, Field, ModelField, regionsOf } from "./Fields";
import { Cards, Everyday, groundsOf, gwpText, Sheet, Sources } from "./Figures";
import type { ModeProps } from "./Request";
import { known, number, useAnswer } from "./request";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TITLES: Record<(typeof USE_NAMES)[number], string> = {
  who: "Who",
  people: "People",
  requests_per_day: "Requests a day each",
  model: "Model",
  provider: "Host",
  region: "Region",
  zone: "Electricity",
  input_tokens: "Input tokens",
  cached_input_tokens: "of these cached",
  output_tokens: "Output tokens",
  from_month: "From month",
  months: "Months",
};
const TEXTS = ["who", "model", "provider", "region", "zone"];

const bodyOf = (uses: Use[], fields: Fields) => ({
  ...known({ method: fields.method }),
  uses: uses
    .filter((use) => use.model)
    .map((use) =>
      known(
        Object.fromEntries(
          USE_NAMES.map((name) => [name, TEXTS.includes(name) ? use[name] : number(use[name])]),
        ),
      ),
    ),
});

/** A year of an organisation: who asks what how often. */
export function Organisation({ state, change, lists }: ModeProps) {
  const { uses, fields } = state;
  const body = bodyOf(uses, fields);
  const counted = uses.flatMap((use, place) => (use.model ? [place] : []));
  const nameless = uses.flatMap((use, place) => (use.model ? [] : [`use ${place + 1}`]));
  const some = counted.length > 0;
  const found = useAnswer(JSON.stringify(body), (signal) =>
    some ? ask<Year>("/v1/organisation", body, signal) : Promise.resolve(null),
  );
  const set = (place: number, use: Use | null) =>
    change({ uses: uses.flatMap((old, at) => (at === place ? (use ? [use] : []) : [old])) });
  return (
    <section aria-labelledby="organisation-title">
      <h2 id="organisation-title">Your organisation</h2>
      <form class="panel" onSubmit={(event) => event.preventDefault()}>
        <div class="row">
          <Choice
            {...{ fields, name: "method", label: "Method" }}
            edit={(changes) => change({ fields: { ...fields, ...changes } })}
            options={lists.methods.map((one) => [one.method, one.method] as const)}
          />
        </div>
        {uses.map((use, place) => (
          <fieldset class="use" key={place}>
            <legend>Use {place + 1}</legend>
            <div class="row">
              <UseFields {...{ use, place, lists }} set={(one) => set(place, one)} />
              <button type="button" onClick={() => set(place, null)}>
                Remove<span class="hidden"> use {place + 1}</span>
              </button>
            </div>
          </fieldset>
        ))}
        <div class="buttons">
          <button
            type="button"
            onClick={() => change({ uses: [...uses, { who: "", people: "1", model: "" }] })}
          >
            Add a use
          </button>
          <Import take={(read) => change({ uses: read })} />
        </div>
      </form>
      <div class="panel" aria-live="polite">
        {nameless.length > 0 && (
          <p class="warning">Without a model, and so not counted: {nameless.join(", ")}.</p>
        )}
        {found.error && <p class="warning">{ofUses(found.error, counted)}</p>}
        {found.data && <Shown year={found.data} body={body} />}
      </div>
    </section>
  );
}

/** The server's words, with a use as the page numbers it in place of its own. */
const ofUses = (said: string, counted: number[]): string =>
  said.replace(/uses\.(\d+)\.(\w+)/g, (_, place, name) => {
    const title = TITLES[name as keyof typeof TITLES] ?? name;
    return `Use ${(counted[Number(place)] ?? 0) + 1}, ${title}`;
  });

/** The fields of one use; hosts, regions and zones of the catalog are listed. */
function UseFields({ use, place, lists, set }: UseProps) {
  const chosen: Partial<Record<keyof Use, (readonly [string, string])[]>> = {
    provider: lists.providers.map((one) => [one.provider, one.name] as const),
    region: regionsOf(lists, use.provider),
    zone: lists.zones.map((one) => [one.zone, `${one.name} (${one.zone})`] as const),
  };
  return USE_NAMES.map((name) => {
    const value = use[name] ?? "";
    const edit = (text: string) =>
      set({ ...use, [name]: text, ...(name === "provider" ? { region: "" } : {}) });
    if (name === "model")
      return (
        <ModelField key={name} {...{ value, edit }} label={TITLES[name]} id={`model-${place}`} />
      );
    const options = chosen[name];
    if (name === "region" && !options?.length && !value) return null;
    return (
      <Field key={name} label={TITLES[name]}>
        {options ? (
          <select
            name={`${name}-${place}`}
            value={value}
            onChange={(event) => edit(event.currentTarget.value)}
          >
            <option value="">{NONE[name]}</option>
            {value && !options.some(([id]) => id === value) && <option>{value}</option>}
            {options.map(([id, text]) => (
              <option key={id} value={id}>
                {text}
              </option>
            ))}
          </select>
        ) : (
          <input
            {...(TEXTS.includes(name) ? { type: "text" } : NUMBER)}
            {...(name === "months" ? { placeholder: "to December" } : {})}
            name={`${name}-${place}`}
            value={value}
            onInput={(event) => edit(event.currentTarget.value)}
          />
        )}
      </Field>
    );
  });
}

const NUMBER = { type: "number", min: "0", step: "any" } as const;
const NONE: Record<string, string> = {
  provider: "as the name says",
  region: "the host's average",
  zone: "of host and region",
};

interface UseProps {
  use: Use;
  place: number;
  lists: Lists;
  set: (use: Use) => void;
}

/** Uses from a CSV: a file, or pasted from a spreadsheet. */
function Import({ take }: { take: (uses: Use[]) => void }) {
  const [text, setText] = useState("");
  const [error, setError] = useState("");
  const read = (csv: string) =>
    ask<{ uses: Record<string, string | number>[] }>("/v1/organisation/read", { csv }).then(
      ({ uses }) => {
        setError("");
        take(
          uses.map((use) =>
            Object.fromEntries(Object.entries(use).map(([name, value]) => [name, String(value)])),
          ),
        );
      },
      (failed: unknown) => setError(failed instanceof Error ? failed.message : String(failed)),
    );
  return (
    <details>
      <summary>Paste or open CSV</summary>
      <Field label={`Columns: ${USE_NAMES.join(", ")}`}>
        <textarea rows={4} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </Field>
      <div class="buttons">
        <button type="button" onClick={() => read(text)}>
          Take these uses
        </button>
        <Field label="A file">
          <input
            type="file"
            accept=".csv,.tsv,text/csv"
            onChange={async (event) => {
              const file = event.currentTarget.files?.[0];
              if (file) await read(await file.text());
            }}
          />
        </Field>
      </div>
      {error && <p class="warning">{error}</p>}
    </details>
  );
}

const totalText = (impacts: Impacts, key: "energy" | "wcf"): string => {
  const value = spanOf(impacts[key]);
  return value ? full(value, criterion(key)) : "not estimated";
};

/** People, requests, months, tokens and place of a use. */
const howOften = (use: Year["uses"][number]): string => {
  const { input_tokens: read, cached_input_tokens: cached, output_tokens: wrote } = use.call;
  const tokens = [read && `${integer(read)} in`, cached && `${integer(cached)} of these cached`];
  const last = Math.min(use.from_month + use.months - 1, 12);
  return [
    `${integer(use.people)} × ${use.requests_per_day} a day`,
    `${MONTHS[use.from_month - 1]} to ${MONTHS[last - 1]}`,
    [...tokens, `${wrote === null ? "unknown" : integer(wrote)} out`].filter(Boolean).join(", "),
    `at ${use.call.provider ?? "the name's host"}, ${use.zone ?? "unknown zone"}`,
  ].join("; ");
};

function Shown({ year, body }: { year: Year; body: unknown }) {
  const models = year.by_model.length;
  return (
    <>
      <h3>A year</h3>
      <Cards impacts={year.total} />
      <Everyday of={year.equivalents} />
      <div class="buttons">
        <button type="button" onClick={() => save("/v1/organisation/csv", body, "uses.csv")}>
          CSV
        </button>
        <button type="button" onClick={() => save("/v1/organisation/xlsx", body, "uses.xlsx")}>
          Excel
        </button>
        <button type="button" onClick={() => save("/v1/organisation", body, "uses.json")}>
          JSON
        </button>
        <button type="button" onClick={() => print()}>
          Print or PDF
        </button>
      </div>
      <Chart year={year} />
      <Sheet
        label="By use"
        columns={["who", "model", "requests", "how", "Greenhouse gases", "Energy", "Water"]}
      >
        {year.uses.map((use, place) => (
          <tr key={place}>
            <th scope="row">{use.who || `use ${place + 1}`}</th>
            <td>{use.call.model}</td>
            <td class="number">{integer(use.requests)}</td>
            <td>{howOften(use)}</td>
            <td class="number">{gwpText(use.impacts)}</td>
            <td class="number">{totalText(use.impacts, "energy")}</td>
            <td class="number">{totalText(use.impacts, "wcf")}</td>
          </tr>
        ))}
      </Sheet>
      <Sheet label="By model" columns={["model", ...CRITERIA.map((c) => c.title)]}>
        {year.by_model.map((row) => (
          <tr key={row.model}>
            <th scope="row">{row.model}</th>
            {CRITERIA.map((c) => {
              const value = spanOf(row.impacts[c.key]);
              return (
                <td class="number" key={c.key}>
                  {value ? full(value, c) : "not estimated"}
                </td>
              );
            })}
          </tr>
        ))}
      </Sheet>
      <Sheet
        label="What it rests on"
        columns={["hypothesis", "value", "of", "basis and note", "source"]}
      >
        {year.hypotheses.map((one) => (
          <tr key={`${one.name} ${one.value} ${one.basis} ${one.models}`}>
            <th scope="row">{one.name}</th>
            <td class="number">
              {one.value} {one.unit}
            </td>
            <td>{one.models.length < models ? one.models.join(", ") : "all"}</td>
            <td>{groundsOf(one)}</td>
            <td>
              <Sources of={one.sources} />
            </td>
          </tr>
        ))}
      </Sheet>
      <p class="faint">
        {`Sums of requests, never of their tokens: each pays its own time to the first token. Method ${year.method}, catalog of ${year.catalog_version}. Estimates, none is a measurement; training, networks and devices are not counted.`}
      </p>
      {year.credits.length > 0 && <p class="faint credits">Credits: {year.credits.join("; ")}.</p>}
    </>
  );
}

/** Greenhouse gases by month: a column for each, and a line from low to high; then the figures. */
function Chart({ year }: { year: Year }) {
  const gwp = criterion("gwp");
  const values = year.by_month.map((row) => spanOf(row.impacts.gwp));
  const most = Math.max(...values.map((value) => value?.[2] ?? 0)) * 1.05;
  const height = (value: number) => `${most > 0 ? (100 * value) / most : 0}%`;
  return (
    <>
      <figure class="chart">
        <figcaption>The year: greenhouse gases by month, with their ranges</figcaption>
        <ol class="year" aria-hidden="true">
          {values.map((value, place) => (
            <li key={MONTHS[place]}>
              {value && (
                <>
                  <span class="column" style={{ height: height(value[1]) }} />
                  <span
                    class="whisker"
                    style={{ bottom: height(value[0]), height: height(value[2] - value[0]) }}
                  />
                </>
              )}
              <span class="month">{MONTHS[place]}</span>
            </li>
          ))}
        </ol>
      </figure>
      <Sheet short label="By month" columns={["month", "Greenhouse gases", "low to high"]}>
        {year.by_month.map((row, place) => {
          const value = values[place];
          return (
            <tr key={row.month}>
              <th scope="row">{MONTHS[row.month - 1]}</th>
              <td class="number">{value ? full(value, gwp) : "not estimated"}</td>
              <td class="bar">{value && <RangeBar value={value} most={most} />}</td>
            </tr>
          );
        })}
      </Sheet>
    </>
  );
}

/** Saves what the server answers; a link of this page's own, so that no other host is asked. */
async function save(path: string, body: unknown, name: string): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await asked(path, body)).blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

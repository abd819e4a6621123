import type { ComponentChildren } from "preact";
import type { Hypothesis, ModelGrounds, Shown } from "../data";
import { visible } from "../data";
import { count, criterion, integer, mean } from "../units";

/** Sentences of the report that have a place of their own; all others are listed as they come. */
const TITLES: Record<string, string> = {
  energy: "Where the energy goes",
  beside: "What the method leaves out",
  market: "Market-based",
  coverage: "Coverage",
  warnings: "Warnings, and what to do about them",
  problems: "Problems",
  measured: "Measured, beside estimates",
  history: "Not in these figures",
  makers: "What makers published themselves",
  credits: "Credits",
  everyday: "In daily life",
  training: "Training",
};
const FIRST = ["everyday", "training", "beside"];

/** Sentences that are read first. */
export function Remarks({ data }: { data: Shown }) {
  const shown = data.notes.filter(({ name }) => FIRST.includes(name));
  const { folded } = data;
  if (!shown.length && !folded) return null;
  return (
    <div class="remarks">
      {folded && <p class="warning">{folded}</p>}
      {shown.map(({ name, sentences }) => (
        <p key={name}>
          <b>{TITLES[name]}.</b> {sentences.map(visible).join(" ")}
        </p>
      ))}
    </div>
  );
}

/** What the figures rest on. */
export function Grounds({ data }: { data: Shown }) {
  const rest = data.notes.filter(({ name }) => !FIRST.includes(name) && name !== "energy");
  const [open, folded] = [
    rest.filter((n) => !LONG.includes(n.name)),
    rest.filter((n) => LONG.includes(n.name)),
  ];
  return (
    <section class="panel grounds" aria-labelledby="grounds-title">
      <header class="panel-head">
        <h2 id="grounds-title">What it rests on</h2>
      </header>
      <div class="columns">
        {open.map((note) => (
          <div key={note.name} class={`note note-${note.name}`}>
            <h3>{TITLES[note.name] ?? visible(note.name)}</h3>
            <Sentences texts={note.sentences} />
          </div>
        ))}
      </div>
      {data.models.map((model) => (
        <details key={`${model.model} ${model.provider} ${model.zone}`}>
          <summary>
            <b>
              <bdi>{visible(model.model)}</bdi>
            </b>{" "}
            <span class="faint">{summary(model)}</span>
          </summary>
          <ModelView model={model} data={data} />
        </details>
      ))}
      {data.more_models > 0 && <p class="faint">And {integer(data.more_models)} more models.</p>}
      {data.report.factors.length > 0 && (
        <details>
          <summary>
            <b>Factors</b>{" "}
            <span class="faint">of data centres and electricity, with their sources</span>
          </summary>
          <Hypotheses rows={data.report.factors} of="data centres and electricity" />
        </details>
      )}
      <Ladder data={data} />
      {folded.map((note) => (
        <details key={note.name}>
          <summary>
            <b>{TITLES[note.name]}</b>
          </summary>
          <Sentences texts={note.sentences} />
        </details>
      ))}
      <details>
        <summary>
          <b>Method and limits</b>
        </summary>
        <ul>
          <li>{data.about}</li>
          {data.citation && <li>{data.citation}</li>}
          <li>
            All figures are estimates, none is a measurement. A range runs from the low to the high
            estimate; the tick is the expected value. What cannot be estimated is said so, and never
            a zero.
          </li>
          <li>Networks, devices and storage are not counted.</li>
          <li>impactree {data.version}</li>
        </ul>
      </details>
    </section>
  );
}

const LONG = ["makers", "credits"];

/** Things of daily life beside the report, the smallest first. */
function Ladder({ data }: { data: Shown }) {
  const { equivalents } = data.report;
  if (!equivalents?.ladder.length) return null;
  const gwp = criterion("gwp");
  return (
    <details>
      <summary>
        <b>In daily life</b> <span class="faint">things beside this report, and their sources</span>
      </summary>
      <ul>
        {equivalents.readable.map((one) => (
          <li key={one.id}>
            {criterion(one.criterion).label}: {one.text}
          </li>
        ))}
      </ul>
      <Sheet label="Things in daily life" columns={LADDER}>
        {equivalents.ladder.map((one) => (
          <tr key={one.id}>
            <th scope="row">{one.text}</th>
            <td class="number">{mean(one.gwp_kgco2eq, gwp)}</td>
            <td class="number">
              {one.reports < 10 ? one.reports.toPrecision(2) : count(Math.round(one.reports))}
            </td>
            <td>
              {[one.note, one.licence, one.credit].filter(Boolean).join("; ")}{" "}
              <Sources of={one.sources} />
            </td>
          </tr>
        ))}
      </Sheet>
    </details>
  );
}

function Sentences({ texts }: { texts: string[] }) {
  return (
    <ul>
      {texts.map((text) => (
        <li key={text}>{linked(visible(text))}</li>
      ))}
    </ul>
  );
}

/** Addresses as links; nothing but https is one. */
function linked(text: string) {
  return text.split(/(https:\/\/[^\s;,)]+)/).map((part, at) =>
    at % 2 ? (
      <a key={part} href={part} rel="noreferrer noopener" target="_blank">
        {part.replace("https://", "")}
      </a>
    ) : (
      part
    ),
  );
}

function summary(model: ModelGrounds): string {
  const { resolution } = model;
  const name = resolution.model && resolution.model !== model.model ? `as ${resolution.model}` : "";
  return [name, resolution.grade, resolution.host && `run by ${resolution.host}`, model.zone]
    .filter(Boolean)
    .join(" · ");
}

function ModelView({ model, data }: { model: ModelGrounds; data: Shown }) {
  const rows = model.hypotheses.flatMap((place) => data.hypotheses[place] ?? []);
  return (
    <>
      {model.resolution.how && <p class="faint">{visible(model.resolution.how)}</p>}
      {model.errors.map((error) => (
        <p class="warning" key={error}>
          Not estimated: {visible(error)}
        </p>
      ))}
      <Hypotheses rows={rows} of={[model.model, model.provider, model.zone].join(" ")} />
    </>
  );
}

function Hypotheses({ rows, of }: { rows: Hypothesis[]; of: string }) {
  if (!rows.length) return null;
  return (
    <Sheet label={`Hypotheses: ${visible(of)}`} columns={HYPOTHESES}>
      {rows.map((row) => (
        <tr key={JSON.stringify(row)}>
          <th scope="row">{row.name}</th>
          <td class="number">
            {row.value} {row.unit}
          </td>
          <td>{visible(row.basis)}</td>
          <td>{row.year}</td>
          <td>
            {visible([row.kind, row.note, row.licence].filter(Boolean).join("; "))}{" "}
            <Sources of={row.sources} />
          </td>
        </tr>
      ))}
    </Sheet>
  );
}

type Column = { name: string; number?: boolean };

const LADDER: Column[] = [
  { name: "thing" },
  { name: "GHG", number: true },
  { name: "as many such reports", number: true },
  { name: "note, sources" },
];
const HYPOTHESES: Column[] = [
  { name: "hypothesis" },
  { name: "value", number: true },
  { name: "basis" },
  { name: "year" },
  { name: "note, sources" },
];

/** A table that scrolls sideways where it is wider than the page. */
function Sheet(props: { label: string; columns: Column[]; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
    <section class="scrolls" tabIndex={0} aria-label={props.label}>
      <table class="hypotheses">
        <thead>
          <tr>
            {props.columns.map(({ name, number }) => (
              <th key={name} scope="col" class={number ? "number" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}

function Sources({ of }: { of: string[] }) {
  return (
    <>
      {of.map((source) => (
        <span key={source}>{linked(visible(source))} </span>
      ))}
    </>
  );
}

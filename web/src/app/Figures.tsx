import { Fragment } from "preact";
import { CRITERIA, criterion, full, percent, shown } from "../units";
import { RangeBar } from "../views/Range";
import type { Estimate, Explanation, Hypothesis, Impacts, Step } from "./api";
import { spanOf } from "./api";
import type { Asked } from "./request";

const PARTS: Record<string, string> = {
  input: "reading the input",
  cached: "cached input",
  output: "writing the output",
  host: "the rest of the server",
  overhead: "cooling and losses of the data centre",
};

/** What one call costs, and how that was computed. */
export function Answer({ found, how }: { found: Asked<Estimate>; how: Asked<Explanation> }) {
  return (
    <div class="panel" aria-live="polite">
      {found.error && <p class="warning">{found.error}</p>}
      {found.data && (
        <>
          <Cards impacts={found.data.impacts} />
          <Beside estimate={found.data} />
        </>
      )}
      {how.data && <HowComputed found={how.data} />}
    </div>
  );
}

/** The five criteria, each with its range. */
export function Cards({ impacts }: { impacts: Impacts }) {
  return (
    <dl class="cards figures">
      {CRITERIA.map((c) => {
        const value = spanOf(impacts[c.key]);
        const q = value ? shown(value, c) : null;
        return (
          <div class="card" key={c.key} data-criterion={c.key}>
            <dt class="card-title">{c.title}</dt>
            <dd class="card-value">
              {q ? (
                <>
                  {impacts.lower_bound && <abbr title="at least">≥</abbr>}
                  <b>{q.mean}</b> {q.unit}
                </>
              ) : (
                <b class="unknown">{impacts.errors ? "not estimated" : "unknown"}</b>
              )}
            </dd>
            {value && <dd>{<RangeBar value={value} most={value[2] * 1.12} />}</dd>}
            <dd class="card-range">{q?.range ? `${q.range} ${q.unit}` : q ? "one figure" : " "}</dd>
          </div>
        );
      })}
    </dl>
  );
}

/** Things of daily life that have as much of a criterion, each with its source. */
export function Everyday({ of }: { of: Estimate["equivalents"] }) {
  if (!of.length) return null;
  return (
    <p>
      <b>In daily life:</b>{" "}
      {of.map((one, place) => (
        <Fragment key={one.id}>
          {place > 0 && "; "}
          {criterion(one.criterion).label} as {one.text}
          {one.sources.length > 0 && (
            <>
              {" "}
              (<Sources of={one.sources} />)
            </>
          )}
        </Fragment>
      ))}
      .
    </p>
  );
}

/** What has to be said beside figures: why there are none, what they mean, what is uncertain. */
export function Beside({ estimate }: { estimate: Estimate }) {
  const { impacts, equivalents, credits } = estimate;
  const parts = Object.entries(impacts.energy_parts ?? {}).filter(([, value]) => value > 0);
  const all = parts.reduce((sum, [, value]) => sum + value, 0);
  return (
    <div class="beside">
      {impacts.errors?.map((one) => (
        <p class="warning" key={one.code}>
          <b>Not estimated.</b> {one.message}
        </p>
      ))}
      <Everyday of={equivalents} />
      {all > 0 && (
        <p>
          <b>Where the energy goes:</b>{" "}
          {parts
            .map(([name, value]) => `${PARTS[name] ?? name} ${percent(value / all)}`)
            .join(", ")}
          .
        </p>
      )}
      {impacts.warnings && (
        <ul class="warnings" aria-label="Warnings">
          {impacts.warnings.map((one) => (
            <li key={one.code}>{one.message}</li>
          ))}
        </ul>
      )}
      <p class="faint">
        {`Read as ${estimate.model ?? "no model of the catalog"} (${impacts.grade}), at ${
          estimate.host ?? "an unknown host"
        }, electricity of ${estimate.zone ?? "an unknown zone"}; method ${estimate.method}, catalog of ${
          estimate.catalog_version
        }. Estimates, none is a measurement; training, networks and devices are not counted.`}
      </p>
      {credits.length > 0 && <p class="faint credits">Credits: {credits.join("; ")}.</p>}
    </div>
  );
}

/** A number with its unit as the steps have it: nothing is scaled. */
const plain = ({ min: low, mean, max: high, unit }: Step): string => {
  if (low === null || mean === null || high === null) return "unknown";
  const one = (value: number) => Number(value.toPrecision(4)).toString();
  const range = low === high ? "" : ` (${one(low)} to ${one(high)})`;
  return `${one(mean)}${range} ${unit}`.trim();
};

/** What a hypothesis rests on, in a line. */
export const groundsOf = ({ basis, kind, note, year, licence }: Hypothesis): string =>
  [basis, kind, note, year && `year ${year}`, licence].filter(Boolean).join("; ");

/** How a figure came about: steps, hypotheses, sources. */
export function HowComputed({ found }: { found: Explanation }) {
  return (
    <details class="how">
      <summary>How was this computed?</summary>
      <p class="faint">
        {found.resolution.how}. {found.zone}. {found.citation}
      </p>
      <Sheet label="Steps" columns={["symbol", "intermediate", "value", "equation"]}>
        {found.steps.map((step) => (
          <tr key={step.symbol}>
            <th scope="row">{step.symbol}</th>
            <td>{step.name}</td>
            <td class="number">{plain(step)}</td>
            <td>
              <code>{step.equation}</code>
            </td>
          </tr>
        ))}
      </Sheet>
      <Sheet label="Hypotheses" columns={["hypothesis", "value", "basis and note", "source"]}>
        {found.hypotheses.map((one) => (
          <tr key={`${one.name} ${one.basis}`}>
            <th scope="row">{one.name}</th>
            <td class="number">
              {one.value} {one.unit}
            </td>
            <td>{groundsOf(one)}</td>
            <td>
              <Sources of={one.sources} />
            </td>
          </tr>
        ))}
      </Sheet>
    </details>
  );
}

/** A table; a long one keeps its width where the page has less, and scrolls. */
export function Sheet({ label, columns, short = false, children }: SheetProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class={`sheet ${short ? "short" : "long"}`}>
        <caption>{label}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

interface SheetProps {
  label: string;
  columns: string[];
  short?: boolean;
  children: preact.ComponentChildren;
}

/** Links that say where they lead; nothing is asked of there before they are followed. */
export function Sources({ of }: { of: string[] }) {
  return (
    <>
      {of.map((page, place) =>
        page.startsWith("https://") ? (
          <a key={page} href={page} rel="noreferrer">
            {place ? `, ${place + 1}` : new URL(page).hostname}
          </a>
        ) : (
          <span key={page}>{page}</span>
        ),
      )}
    </>
  );
}

export const gwpText = (impacts: Impacts): string => {
  const value = spanOf(impacts.gwp);
  return value ? full(value, criterion("gwp")) : "not estimated";
};

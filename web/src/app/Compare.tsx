import { criterion, full } from "../units";
import { RangeBar } from "../views/Range";
import { type Alternative, MOST_ALTERNATIVES } from "./address";
import { ask, type Comparison, type Lists, spanOf } from "./api";
import { type Edit, Field, ModelField, Place, regionsOf, Tokens } from "./Fields";
import type { ModeProps } from "./Request";
import { callOf, nameOf, settingsOf, useAnswer } from "./request";

/** Up to six alternatives to a request, and which of them cannot be told apart. */
export function Compare({ state, change, lists }: ModeProps) {
  const { fields, alternatives } = state;
  const edit: Edit = (changes) => change({ fields: { ...fields, ...changes } });
  const plans = lists.methods.find((one) => one.method === fields.method)?.plans_hardware ?? false;
  const asked = alternatives.filter((one) => nameOf(one));
  const body = {
    calls: [callOf(fields)],
    ...settingsOf(fields, plans),
    alternatives: asked.map((one) => ({
      name: nameOf(one),
      ...Object.fromEntries(Object.entries(one).filter(([, value]) => value)),
    })),
  };
  const found = useAnswer(JSON.stringify(body), (signal) =>
    asked.length ? ask<Comparison>("/v1/compare", body, signal) : Promise.resolve(null),
  );
  const set = (place: number, one: Alternative | null) =>
    change({
      alternatives: alternatives.flatMap((old, at) => (at === place ? (one ? [one] : []) : [old])),
    });
  return (
    <section aria-labelledby="compare-title">
      <h2 id="compare-title">Compare</h2>
      <form class="panel" onSubmit={(event) => event.preventDefault()}>
        <Tokens {...{ fields, edit }} />
        <Place {...{ fields, edit, lists }} />
        {alternatives.map((one, place) => (
          <fieldset class="alternative" key={place}>
            <legend>Alternative {place + 1}</legend>
            <div class="row">
              <ModelField
                value={one.model ?? ""}
                edit={(model) => set(place, { ...one, model })}
                label="Another model"
                id={`model-${place + 1}`}
              />
              <Field label="Another host">
                <select
                  name={`provider-${place + 1}`}
                  value={one.provider ?? ""}
                  onChange={(event) =>
                    set(place, { ...one, provider: event.currentTarget.value, region: "" })
                  }
                >
                  <option value="">the same</option>
                  {lists.providers.map((host) => (
                    <option key={host.provider} value={host.provider}>
                      {host.name}
                    </option>
                  ))}
                </select>
              </Field>
              <OtherRegion
                {...{ lists, one }}
                host={one.provider || fields.provider}
                set={(region) => set(place, { ...one, region })}
              />
              <Field label="Other electricity">
                <select
                  name={`zone-${place + 1}`}
                  value={one.zone ?? ""}
                  onChange={(event) => set(place, { ...one, zone: event.currentTarget.value })}
                >
                  <option value="">the same</option>
                  {lists.zones.map((zone) => (
                    <option key={zone.zone} value={zone.zone}>
                      {zone.name} ({zone.zone})
                    </option>
                  ))}
                </select>
              </Field>
              <button type="button" onClick={() => set(place, null)}>
                Remove<span class="hidden"> alternative {place + 1}</span>
              </button>
            </div>
          </fieldset>
        ))}
        {alternatives.length < MOST_ALTERNATIVES && (
          <button
            type="button"
            onClick={() => change({ alternatives: [...alternatives, { model: "" }] })}
          >
            Add an alternative
          </button>
        )}
      </form>
      <div class="panel" aria-live="polite">
        {found.error && <p class="warning">{found.error}</p>}
        {found.data && <Rows found={found.data} />}
      </div>
    </section>
  );
}

/** Of the alternative's host, else of the request's; hosts without regions show no field. */
function OtherRegion({ lists, one, host, set }: RegionProps) {
  const regions = regionsOf(lists, host);
  if (!regions.length) return null;
  return (
    <Field label="Another region">
      <select value={one.region ?? ""} onChange={(event) => set(event.currentTarget.value)}>
        <option value="">the same</option>
        {regions.map(([id, text]) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

interface RegionProps {
  lists: Lists;
  one: Alternative;
  host: string | undefined;
  set: (region: string) => void;
}

function Rows({ found }: { found: Comparison }) {
  const gwp = criterion("gwp");
  const most = Math.max(...found.rows.map((row) => row.total.gwp?.value.max ?? 0)) * 1.05;
  const columns = ["Greenhouse gases", "low to high", "Energy", "Water", "change"];
  const alike = found.cannot_be_told_apart;
  const estimated = found.rows.filter((row) => row.total.gwp).length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      <div class="scroll" tabIndex={0} role="region" aria-label="Alternatives">
        <table class="sheet long compared">
          <thead>
            <tr>
              <th scope="col">alternative</th>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.rows.map((row, place) => {
              const value = spanOf(row.total.gwp);
              const cell = (key: "energy" | "wcf") => {
                const other = spanOf(row.total[key]);
                return other ? full(other, criterion(key)) : "not estimated";
              };
              return (
                <tr key={row.name}>
                  <th scope="row">
                    {place + 1}. {row.name}
                  </th>
                  <td class="number">{value ? full(value, gwp) : "not estimated"}</td>
                  <td class="bar">{value && <RangeBar value={value} most={most} />}</td>
                  <td class="number">{cell("energy")}</td>
                  <td class="number">{cell("wcf")}</td>
                  <td class="number">
                    {row.relative_change === null
                      ? ""
                      : `${row.relative_change > 0 ? "+" : ""}${(row.relative_change * 100).toFixed(0)}%`}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {alike.length === 0 && estimated > 1 && (
        <p>
          All of these can be told apart: what is not known of them outweighs none of the
          differences.
        </p>
      )}
      {found.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </>
  );
}

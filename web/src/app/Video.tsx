import { ask, type Estimate, type Explanation } from "./api";
import { Choice, type Edit, Field, NumberField } from "./Fields";
import { Answer } from "./Figures";
import type { ModeProps } from "./Request";
import { known, number, useAnswer } from "./request";

/** A film, by the equations of EcoLogits. */
export function Video({ state, change, lists }: ModeProps) {
  const { fields } = state;
  const edit: Edit = (changes) => change({ fields: { ...fields, ...changes } });
  const film = fields.film || "google/veo-3.1";
  const body = known({
    kind: "video",
    model: film,
    zone: fields.zone,
    method: fields.method,
    resolution: fields.resolution || "720p",
    seconds: number(fields.seconds || "8"),
    sound: fields.sound !== "no",
  });
  const found = useAnswer(JSON.stringify(body), (signal) =>
    ask<Estimate>("/v1/estimate", body, signal),
  );
  const how = useAnswer(`how ${JSON.stringify(body)}`, (signal) =>
    ask<Explanation>("/v1/explain", body, signal),
  );
  const names = lists.films.map((one) => [one, one] as const);
  const shown = { ...fields, film, resolution: fields.resolution || "720p" };
  return (
    <section aria-labelledby="video-title">
      <h2 id="video-title">Video</h2>
      <form class="panel" onSubmit={(event) => event.preventDefault()}>
        <div class="row">
          <Choice {...{ fields: shown, edit, name: "film", label: "Model" }} options={names} />
          <Choice
            {...{ fields: shown, edit, name: "resolution", label: "Resolution" }}
            options={["480p", "720p", "1080p", "4k"].map((size) => [size, size] as const)}
          />
          <NumberField
            {...{ fields: { ...fields, seconds: fields.seconds || "8" }, edit, name: "seconds" }}
            label="Seconds"
          />
          <Field label="Sound">
            <select
              value={fields.sound || "yes"}
              onChange={(event) => edit({ sound: event.currentTarget.value })}
            >
              <option>yes</option>
              <option>no</option>
            </select>
          </Field>
          <Choice
            {...{ fields, edit, name: "zone", label: "Electricity", none: "the operator's" }}
            options={lists.zones.map((one) => [one.zone, `${one.name} (${one.zone})`] as const)}
          />
          <Choice
            {...{ fields, edit, name: "method", label: "Method" }}
            options={lists.methods.map((one) => [one.method, one.method] as const)}
          />
        </div>
      </form>
      <Answer {...{ found, how }} />
    </section>
  );
}

import { useState } from "preact/hooks";
import { Themes } from "../views/Themes";
import { MODES, type Mode, useAddress } from "./address";
import { ask, type Lists, setToken } from "./api";
import { Compare } from "./Compare";
import { MethodView } from "./MethodView";
import { Organisation } from "./Organisation";
import { Expert, Request } from "./Request";
import { Runs } from "./Runs";
import { useAnswer } from "./request";
import { Video } from "./Video";

const TITLES: Record<Mode, string> = {
  one: "One request",
  expert: "Expert",
  compare: "Compare",
  organisation: "Your organisation",
  runs: "Your runs",
  video: "Video",
  method: "Method and sources",
};

const VIEWS = {
  one: Request,
  expert: Expert,
  compare: Compare,
  organisation: Organisation,
  runs: Runs,
  video: Video,
  method: MethodView,
};

async function everything(signal: AbortSignal): Promise<Lists> {
  const get = <T,>(name: string) => ask<T>(`/v1/${name}`, undefined, signal);
  const [methods, providers, regions, zones, disclosures, accelerators, makers] = await Promise.all(
    [
      get<Pick<Lists, "methods">>("methods"),
      get<Pick<Lists, "providers">>("providers"),
      get<Pick<Lists, "regions">>("regions"),
      get<Pick<Lists, "zones">>("zones"),
      get<Pick<Lists, "disclosures">>("disclosures"),
      get<Pick<Lists, "accelerators">>("accelerators"),
      ask<{ providers: string[] }>("/v1beta/video-providers", undefined, signal),
    ],
  );
  const films = await Promise.all(
    makers.providers.map((maker) =>
      ask<{ models: { model_name: string }[] }>(`/v1beta/video-models/${maker}`, undefined, signal),
    ),
  );
  const found = {
    ...methods,
    ...providers,
    ...regions,
    ...zones,
    ...disclosures,
    ...accelerators,
    films: films.flatMap(({ models }) => models.map((one) => one.model_name)),
  };
  found.zones.sort((a, b) => a.name.localeCompare(b.name));
  return found;
}

export function App() {
  const [state, change] = useAddress();
  const [tries, setTries] = useState(0);
  const found = useAnswer(`lists ${tries}`, everything);
  const View = VIEWS[state.mode];
  return (
    <main class="app">
      <header class="top">
        <p class="brand">impactree</p>
        <h1>What AI requests cost the planet</h1>
        <p class="faint">
          Energy, greenhouse gases, water, primary energy and metals, as ranges. Computed on your
          own server; what you type is not kept.
        </p>
        <Themes theme={state.theme} set={(theme) => change({ theme })} />
      </header>
      <nav aria-label="What the page does">
        {MODES.map((mode) => (
          <button
            type="button"
            key={mode}
            aria-current={mode === state.mode ? "page" : undefined}
            onClick={() => change({ mode })}
          >
            {TITLES[mode]}
          </button>
        ))}
      </nav>
      {found.locked && <Unlock again={() => setTries(tries + 1)} />}
      {found.error && !found.locked && <p class="warning">{found.error}</p>}
      {found.data && <View {...{ state, change }} lists={found.data} />}
    </main>
  );
}

/** A new tab does not know the token. */
function Unlock({ again }: { again: () => void }) {
  const [said, setSaid] = useState("");
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(said);
        again();
      }}
    >
      <label class="field">
        <span>This server asks for its token: it is in the address that it printed.</span>
        <input
          type="password"
          autocomplete="off"
          value={said}
          onInput={(event) => setSaid(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Open</button>
    </form>
  );
}

import type { Change, State } from "./address";
import { ask, type Estimate, type Explanation, type Lists } from "./api";
import { type Edit, Place, Tokens } from "./Fields";
import { Answer } from "./Figures";
import { callOf, explainOf, settingsOf, useAnswer } from "./request";

/** One request: what it costs, and why. */
export function Request({ state, change, lists }: ModeProps) {
  const { fields } = state;
  const edit: Edit = (changes) => change({ fields: { ...fields, ...changes } });
  const plans = lists.methods.find((one) => one.method === fields.method)?.plans_hardware ?? false;
  const body = { ...callOf(fields), ...settingsOf(fields, plans) };
  const question = explainOf(fields, plans);
  const found = useAnswer(JSON.stringify(body), (signal) =>
    ask<Estimate>("/v1/estimate", body, signal),
  );
  const how = useAnswer(JSON.stringify(question), (signal) =>
    ask<Explanation>("/v1/explain", question, signal),
  );
  return (
    <section aria-labelledby="one-title">
      <h2 id="one-title">One request</h2>
      <form class="panel" onSubmit={(event) => event.preventDefault()}>
        <Tokens {...{ fields, edit }} />
        <Place {...{ fields, edit, lists }} />
      </form>
      <Answer {...{ found, how }} />
    </section>
  );
}

export interface ModeProps {
  state: State;
  change: Change;
  lists: Lists;
}

import type { Change, State } from "./address";
import { ask, type Estimate, type Explanation, type Lists } from "./api";
import { type Edit, Place, Tokens } from "./Fields";
import { Answer } from "./Figures";
import { OwnFigures } from "./OwnFigures";
import { callOf, explainOf, known, ownOf, settingsOf, useAnswer } from "./request";

export interface ModeProps {
  state: State;
  change: Change;
  lists: Lists;
}

/** One request: what it costs, and why. */
export const Request = (props: ModeProps) => <One {...props} title="One request" />;

/** The same, with figures of the reader's own in place of the catalog's. */
export const Expert = (props: ModeProps) => <One {...props} title="Expert" />;

function One({ state, change, lists, title }: ModeProps & { title: "One request" | "Expert" }) {
  const { fields } = state;
  const edit: Edit = (changes) => change({ fields: { ...fields, ...changes } });
  const plans = lists.methods.find((one) => one.method === fields.method)?.plans_hardware ?? false;
  const expert = title === "Expert";
  const own = expert ? ownOf(fields, plans) : undefined;
  const body = known({ ...callOf(fields), ...settingsOf(fields, plans), own });
  const question = known({ ...explainOf(fields, plans), own });
  const found = useAnswer(JSON.stringify(body), (signal) =>
    ask<Estimate>("/v1/estimate", body, signal),
  );
  const how = useAnswer(JSON.stringify(question), (signal) =>
    ask<Explanation>("/v1/explain", question, signal),
  );
  return (
    <section aria-labelledby="one-title">
      <h2 id="one-title">{title}</h2>
      <form class="panel" onSubmit={(event) => event.preventDefault()}>
        <Tokens {...{ fields, edit }} />
        <Place {...{ fields, edit, lists }} />
        {expert && !plans && (
          <p class="faint">
            This method takes 64 requests at once and weights of 16 bits as given: choose
            impactree-1 to say accelerator, batch, precision and architecture.
          </p>
        )}
        {expert && <OwnFigures {...{ fields, edit, plans }} />}
      </form>
      <Answer {...{ found, how }} />
    </section>
  );
}

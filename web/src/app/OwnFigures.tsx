import type { Fields } from "./address";
import { ask, type Explanation } from "./api";
import { type Edit, Field } from "./Fields";
import { explainOf, OWN, ownValue, SHAPE, useAnswer } from "./request";

/** Figures in place of the catalog's, which stand beside them. */
export function OwnFigures({ fields, edit, plans }: OwnProps) {
  const question = explainOf(fields, plans);
  const catalog = useAnswer(JSON.stringify(question), (signal) =>
    ask<Explanation>("/v1/explain", question, signal),
  );
  const listed = (name: string) =>
    catalog.data?.hypotheses.find((one) => one.name.startsWith(name))?.value;
  return (
    <fieldset class="own">
      <legend>Your own figures, in place of the catalog's</legend>
      <div class="row">
        {[...OWN, ...(plans ? SHAPE : [])].map(({ name, label, hypothesis, range }) => {
          const typed = fields[name] ?? "";
          const wrong = typeof ownValue(typed, range) === "string";
          const hint = wrong
            ? `Write a number${range ? ", or two: 44 to 132" : ""}.`
            : `catalog: ${listed(hypothesis) ?? "–"}`;
          return (
            <Field key={name} label={label} hint={hint}>
              <input
                type="text"
                inputMode="decimal"
                name={name}
                value={typed}
                aria-invalid={wrong}
                autocomplete="off"
                onInput={(event) => edit({ [name]: event.currentTarget.value })}
              />
            </Field>
          );
        })}
      </div>
      <p class="faint">
        Ranges are written as two numbers: 44 to 132. A mixture of experts has fewer active
        parameters than parameters, and its experts are entered with those of them that a token
        visits; whatever is left empty is the catalog's.
      </p>
    </fieldset>
  );
}

interface OwnProps {
  fields: Fields;
  edit: Edit;
  plans: boolean;
}

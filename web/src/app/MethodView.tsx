import { ask, type Explanation } from "./api";
import { Sheet, Sources } from "./Figures";
import type { ModeProps } from "./Request";
import { explainOf, useAnswer } from "./request";

/** Equations, constants and their sources; what is not counted; what makers say themselves. */
export function MethodView({ state, lists }: ModeProps) {
  const method = lists.methods.find((one) => one.method === state.fields.method);
  const shown = method ?? lists.methods[0];
  const question = explainOf({ ...state.fields, method: shown?.method ?? "" }, false);
  const found = useAnswer(JSON.stringify(question), (signal) =>
    ask<Explanation>("/v1/explain", question, signal),
  );
  if (!shown) return null;
  return (
    <section aria-labelledby="method-title">
      <h2 id="method-title">Method and sources</h2>
      <div class="panel">
        <h3>{shown.method}</h3>
        <p>{shown.citation}</p>
        <p>
          {shown.interval} Covers {shown.covers.join(", ")}. Checked {shown.checked}.
        </p>
        <h3>What is not counted</h3>
        <ul>
          <li>Training, unless a share of it is asked for; fine-tuning.</li>
          <li>Networks, the reader's devices, storage.</li>
          {shown.method === "ecologits-0.11" && (
            <li>Input tokens, embeddings and rerankers: the method impactree-1 counts them.</li>
          )}
          <li>Electricity is an average of the place and year, not that of the hour.</li>
        </ul>
        <p>
          Every figure is an estimate, none is a measurement. A range runs from the low to the high
          estimate, with the expected value between. What cannot be estimated is said, and never a
          zero.
        </p>
        {found.data && (
          <Sheet label="Equations" columns={["symbol", "what", "unit", "equation"]}>
            {found.data.steps.map((step) => (
              <tr key={step.symbol}>
                <th scope="row">{step.symbol}</th>
                <td>{step.name}</td>
                <td>{step.unit}</td>
                <td>
                  <code>{step.equation}</code>
                </td>
              </tr>
            ))}
          </Sheet>
        )}
        <Sheet label="Constants" columns={["symbol", "what", "value", "note", "source"]}>
          {shown.constants.map((one) => (
            <tr key={one.symbol + one.name}>
              <th scope="row">{one.symbol}</th>
              <td>{one.name}</td>
              <td class="number">
                {Number(one.value.toPrecision(6))} {one.unit}
              </td>
              <td>{[one.note, one.licence].filter(Boolean).join("; ")}</td>
              <td>
                <Sources of={[one.source]} />
              </td>
            </tr>
          ))}
        </Sheet>
        <Sheet
          label="What makers published themselves"
          columns={["maker", "figure", "of what", "boundary", "date", "source"]}
        >
          {lists.disclosures.map((one) => (
            <tr key={one.maker + one.subject + one.metric}>
              <th scope="row">{one.maker}</th>
              <td class="number">
                {one.figure} {one.unit}
              </td>
              <td>
                {one.metric}: {one.subject}
              </td>
              <td>{one.boundary}</td>
              <td class="date">{one.date}</td>
              <td>
                <Sources of={one.sources} />
              </td>
            </tr>
          ))}
        </Sheet>
        <p>
          <a href="/docs">The API</a> gives all figures to other programs.
        </p>
      </div>
    </section>
  );
}

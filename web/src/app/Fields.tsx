import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { integer } from "../units";
import type { FieldName, Fields } from "./address";
import { ask, type Counted, type Lists } from "./api";
import { useAnswer } from "./request";
import { TASKS, taskOf } from "./tasks";

export type Edit = (changes: Fields) => void;

export function Field({ label, hint, children }: FieldProps) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
    <label class="field">
      <span>{label}</span>
      {children}
      {hint && <small>{hint}</small>}
    </label>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  children: ComponentChildren;
}

interface InputProps {
  fields: Fields;
  edit: Edit;
  name: FieldName;
  label: string;
  hint?: string;
}

export function NumberField({ fields, edit, name, label, hint }: InputProps) {
  return (
    <Field label={label} {...(hint ? { hint } : {})}>
      <input
        type="number"
        min="0"
        step="any"
        inputMode="decimal"
        name={name}
        value={fields[name] ?? ""}
        onInput={(event) => edit({ [name]: event.currentTarget.value })}
      />
    </Field>
  );
}

export function Choice({ fields, edit, name, label, none, options }: ChoiceProps) {
  const value = fields[name] ?? "";
  const known = !value || options.some(([id]) => id === value);
  return (
    <Field label={label}>
      <select
        name={name}
        value={value}
        onChange={(event) => edit({ [name]: event.currentTarget.value })}
      >
        {none !== undefined && <option value="">{none}</option>}
        {!known && <option value={value}>{value}</option>}
        {options.map(([id, text]) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

interface ChoiceProps extends InputProps {
  none?: string;
  options: (readonly [string, string])[];
}

/** A model's name: any that a client reports; those of the catalog are suggested. */
export function ModelField({ value, edit, label, id }: ModelProps) {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    if (value.length < 2) return;
    const stop = new AbortController();
    const wait = setTimeout(() => {
      const query = new URLSearchParams({ search: value });
      ask<{ models: { model: string }[] }>(`/v1/models?${query}`, undefined, stop.signal).then(
        ({ models }) => setNames(models.slice(0, 40).map((one) => one.model)),
        () => undefined, // no suggestions: any name may be typed
      );
    }, 200);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [value]);
  return (
    <Field label={label}>
      <input
        type="text"
        name={id}
        value={value}
        list={`${id}-names`}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => edit(event.currentTarget.value)}
      />
      <datalist id={`${id}-names`}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </Field>
  );
}

interface ModelProps {
  value: string;
  edit: (value: string) => void;
  label: string;
  id: string;
}

/** The task and its tokens: counts that are typed are the reader's own. */
export function Tokens({ fields, edit }: { fields: Fields; edit: Edit }) {
  const task = taskOf(fields.task);
  const own = (changes: Fields) => edit({ ...changes, task: "" });
  const choose = (id: string) => {
    const found = taskOf(id);
    edit({
      task: id,
      ...(found
        ? {
            input: String(found.input),
            cached: String(found.cached),
            output: String(found.output),
            reasoning: "",
          }
        : {}),
    });
  };
  return (
    <fieldset>
      <legend>What is asked</legend>
      <Field label="Task">
        <select
          name="task"
          value={task?.id ?? ""}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          <option value="">own counts</option>
          {TASKS.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </select>
        {task && (
          <small>
            Tokens: <a href={task.url}>{task.source}</a>
          </small>
        )}
      </Field>
      <div class="row">
        <NumberField {...{ fields, edit: own, name: "input" }} label="Input tokens" />
        <NumberField {...{ fields, edit: own, name: "cached" }} label="of these cached" />
        <NumberField {...{ fields, edit: own, name: "output" }} label="Output tokens" />
        <NumberField {...{ fields, edit: own, name: "reasoning" }} label="of these reasoning" />
      </div>
      <CountedText take={(tokens) => own({ input: String(tokens), cached: "" })} />
    </fieldset>
  );
}

/** Counts a pasted text by this server. It stays in this field: no address and no log holds it. */
function CountedText({ take }: { take: (tokens: number) => void }) {
  const [text, setText] = useState("");
  const found = useAnswer(text, (signal) =>
    text ? ask<Counted>("/v1/tokens", { text }, signal) : Promise.resolve(null),
  );
  const { data, error } = found;
  useEffect(() => {
    if (data) take(data.tokens);
  }, [data]);
  return (
    <details>
      <summary>Count the tokens of a text</summary>
      <Field
        label="Text to read"
        hint="Counted by this server and by no other, which keeps nothing of it; not in the link."
      >
        <textarea rows={4} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </Field>
      <p role="status" class="faint">
        {data &&
          `${integer(data.tokens)} tokens, by ${data.by === "length" ? "the text's length" : data.by}: the model's own count may differ.`}
      </p>
      {error && <p class="warning">{error}</p>}
    </details>
  );
}

/** The regions of a host's cloud; of other hosts none. */
export const regionsOf = (lists: Lists, host: string | undefined) => {
  const cloud = lists.providers.find((one) => one.provider === host)?.cloud;
  return lists.regions
    .filter((one) => one.cloud === cloud)
    .map((one) => [one.region, `${one.region} (${one.name ?? one.zone})`] as const);
};

/** Who answers, where, and by which method it is estimated. */
export function Place({ fields, edit, lists }: { fields: Fields; edit: Edit; lists: Lists }) {
  const plans = lists.methods.find((one) => one.method === fields.method)?.plans_hardware ?? false;
  const regions = regionsOf(lists, fields.provider);
  return (
    <>
      <fieldset>
        <legend>Who answers, and where</legend>
        <ModelField
          value={fields.model ?? ""}
          edit={(model) => edit({ model })}
          label="Model"
          id="model"
        />
        <div class="row">
          <Choice
            {...{ fields, name: "provider", label: "Host", none: "as the name says" }}
            edit={(changes) => edit({ ...changes, region: "" })}
            options={lists.providers.map((one) => [one.provider, one.name] as const)}
          />
          {(regions.length > 0 || fields.region) && (
            <Choice
              {...{ fields, edit, name: "region", label: "Region", none: "the host's average" }}
              options={regions}
            />
          )}
          <Choice
            {...{ fields, edit, name: "zone", label: "Electricity", none: "of host and region" }}
            options={lists.zones.map((one) => [one.zone, `${one.name} (${one.zone})`] as const)}
          />
          <Choice
            {...{ fields, edit, name: "method", label: "Method" }}
            options={lists.methods.map((one) => [one.method, one.method] as const)}
          />
          <NumberField {...{ fields, edit, name: "latency" }} label="Measured duration, s" />
        </div>
      </fieldset>
      {plans && <Hardware {...{ fields, edit }} accelerators={lists.accelerators} />}
    </>
  );
}

function Hardware({ fields, edit, accelerators }: HardwareProps) {
  const same = (names: string[]) => names.map((name) => [name, name] as const);
  return (
    <fieldset>
      <legend>What is known of the hardware</legend>
      <div class="row">
        <Choice
          {...{ fields, edit, name: "accelerator", label: "Accelerator", none: "unknown" }}
          options={same(accelerators)}
        />
        <NumberField {...{ fields, edit, name: "count" }} label="How many" />
        <NumberField {...{ fields, edit, name: "batch" }} label="Requests at once" />
        <Choice
          {...{ fields, edit, name: "precision", label: "Precision", none: "unknown" }}
          options={same(["bf16", "fp16", "fp8", "int8", "mxfp4", "int4"])}
        />
        <Choice
          {...{ fields, edit, name: "parallelism", label: "Spread by", none: "unknown" }}
          options={[
            ["tensor", "tensors"],
            ["expert", "experts"],
            ["data", "copies"],
          ]}
        />
      </div>
    </fieldset>
  );
}

interface HardwareProps {
  fields: Fields;
  edit: Edit;
  accelerators: string[];
}

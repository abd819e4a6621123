/** What the figures of a report that was read here rest on: this server is asked by names alone. */

import type { Hypothesis, ModelGrounds, Shown } from "../data";
import type { Read } from "../reading";
import { ask, type Explanation, Refused } from "./api";

const MOST_ASKED = 200;
const MOST_SHOWN = 40;
const AT_ONCE = 8;
type Question = Read["asked"][number];

/** The same report with the hypotheses of each model, and its calls by host. */
export async function withGrounds(read: Read): Promise<Shown> {
  const { asked: all, byHost, ...shown } = read;
  const asked = all.slice(0, MOST_ASKED);
  const found: Found[] = [];
  for (let at = 0; at < asked.length; at += AT_ONCE)
    found.push(...(await Promise.all(asked.slice(at, at + AT_ONCE).map(explain))));
  const numbers = new Map<string, number>();
  const hypotheses: Hypothesis[] = [];
  const place = (one: Hypothesis) => {
    const key = JSON.stringify(one);
    const number = numbers.get(key) ?? hypotheses.push(one) - 1;
    numbers.set(key, number);
    return number;
  };
  const models = found.slice(0, MOST_SHOWN).map(({ citation: _, ...one }, at): ModelGrounds => {
    const { model, provider, requested } = asked[at] as Pick<ModelGrounds, (typeof NAMES)[number]>;
    return { ...one, model, provider, requested, hypotheses: one.hypotheses.map(place) };
  });
  const host = byHost(found.map(({ resolution }) => resolution.host));
  return {
    ...shown,
    ...{ models, hypotheses, more_models: all.length - models.length },
    citation: found.find(({ citation }) => citation)?.citation ?? "",
    groups: { ...shown.groups, ...(asked.length === all.length ? { host } : {}) },
  };
}

const NAMES = ["model", "provider", "requested"] as const;

interface Found extends Pick<Explanation, "resolution" | "zone" | "hypotheses" | "citation"> {
  errors: string[];
}

async function explain(question: Question): Promise<Found> {
  try {
    const found = await ask<Explanation>("/v1/explain", question);
    return { ...found, errors: (found.impacts.errors ?? []).map((one) => one.message) };
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    const resolution = await resolve(question);
    return { resolution, zone: "", hypotheses: [], citation: "", errors: [error.message] };
  }
}

/** How the name of a call is read that no explanation is to be had of: its zone is none. */
function resolve({ model, provider, requested, base_url, at }: Question) {
  const said = Object.entries({ name: model, provider, requested, base_url, at });
  const known = said.flatMap(([name, value]) => (value ? [[name, String(value)]] : []));
  return ask<Explanation["resolution"]>(`/v1/resolve?${new URLSearchParams(known)}`);
}

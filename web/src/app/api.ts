/** Asking the server that the page came from; the token stays in this tab. */

import type { Span } from "../units";

export interface Figure {
  name: string;
  unit: string;
  value: { min: number; mean: number; max: number };
}
export interface Message {
  code: string;
  message: string;
}
export type Key = "energy" | "gwp" | "adpe" | "pe" | "wcf";
export type Impacts = Record<Key, Figure | null> & {
  energy_parts: Record<string, number> | null;
  warnings: Message[] | null;
  errors: Message[] | null;
  grade: string | null;
  lower_bound: boolean;
};
export interface Estimate {
  method: string;
  catalog_version: string;
  model: string | null;
  host: string | null;
  zone: string | null;
  credits: string[];
  equivalents: { id: string; criterion: Key; text: string; sources: string[] }[];
  impacts: Impacts;
}
export interface Step {
  symbol: string;
  name: string;
  /** null: nobody publishes an open factor. */
  min: number | null;
  mean: number | null;
  max: number | null;
  unit: string;
  equation: string;
}
export interface Hypothesis {
  name: string;
  value: string;
  unit: string;
  basis: string;
  kind: string;
  note: string;
  sources: string[];
  checked: string;
  year: string;
  licence: string;
}
export interface Disclosure {
  maker: string;
  subject: string;
  figure: number;
  unit: string;
  metric: string;
  boundary: string;
  date: string;
  sources: string[];
}
export interface Explanation {
  resolution: {
    model: string | null;
    maker: string | null;
    host: string | null;
    grade: string;
    how: string;
  };
  impacts: Impacts;
  citation: string;
  zone: string;
  hypotheses: Hypothesis[];
  steps: Step[];
  disclosures: Disclosure[];
  credits: string[];
}
export interface Comparison {
  method: string;
  rows: {
    name: string;
    total: Impacts;
    change_gwp_kgco2eq: { min: number; mean: number; max: number };
    relative_change: number | null;
  }[];
  cannot_be_told_apart: [string, string][];
  notes: string[];
}
export interface Organisation extends Pick<Estimate, "equivalents" | "credits"> {
  method: string;
  catalog_version: string;
  uses: {
    who: string;
    people: number;
    requests_per_day: number;
    from_month: number;
    months: number;
    requests: number;
    zone: string | null;
    call: {
      model: string;
      provider: string | null;
      input_tokens: number | null;
      cached_input_tokens: number | null;
      output_tokens: number | null;
    };
    impacts: Impacts;
  }[];
  total: Impacts;
  by_model: { model: string; impacts: Impacts }[];
  by_month: { month: number; impacts: Impacts }[];
  hypotheses: (Hypothesis & { models: string[] })[];
}
export interface Method {
  method: string;
  citation: string;
  checked: string;
  interval: string;
  covers: string[];
  plans_hardware: boolean;
  constants: {
    symbol: string;
    name: string;
    value: number;
    unit: string;
    note: string;
    source: string;
    licence: string;
  }[];
}
export interface Counted {
  tokens: number;
  by: string;
}
export interface Lists {
  methods: Method[];
  providers: { provider: string; name: string; zone: string; cloud: string | null }[];
  regions: { region: string; name: string | null; cloud: string; zone: string }[];
  zones: { zone: string; name: string }[];
  disclosures: Disclosure[];
  accelerators: string[];
  films: string[];
}

const TOKEN = "impactree-token";

/** Keeps the token of the address in this tab, and takes it out of the address. */
export function keepToken(): void {
  const asked = new URLSearchParams(location.search);
  const said = asked.get("token");
  if (said === null) return;
  sessionStorage.setItem(TOKEN, said);
  history.replaceState(null, "", location.pathname + location.hash);
}

export function setToken(said: string): void {
  sessionStorage.setItem(TOKEN, said.trim());
}

/** What the server refused, in its words; 401: it wants the token. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export async function ask<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return (await asked(path, body, signal)).json() as Promise<T>;
}

export async function asked(path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN);
  const headers: Record<string, string> = {};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => ({}))) as { detail?: string };
  throw new Refused(answer.status, said.detail ?? answer.statusText);
}

export const spanOf = (figure: Figure | null): Span | null =>
  figure ? [figure.value.min, figure.value.mean, figure.value.max] : null;

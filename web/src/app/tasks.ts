/** Tasks with the tokens that they typically take, each with its source. */

export interface Task {
  id: string;
  name: string;
  /** All input, cached tokens included. */
  input: number;
  cached: number;
  output: number;
  source: string;
  url: string;
}

const CALCULATOR = {
  source: "examples of the EcoLogits Calculator, 2026",
  url: "https://github.com/mlco2/ecologits-calculator/blob/0794cc796e59/src/config/constants.py",
};
const TRACES = {
  source: "TraceLab, University of Washington: medians of 357,161 steps of coding agents",
  url: "https://tracelab.cs.washington.edu/exp/llm_generation/token_length_distribution/",
};

export const TASKS: readonly Task[] = [
  { id: "tweet", name: "Write a tweet", input: 50, cached: 0, output: 50, ...CALCULATOR },
  { id: "email", name: "Write an email", input: 170, cached: 0, output: 170, ...CALCULATOR },
  { id: "summary", name: "Sum up an article", input: 2000, cached: 0, output: 250, ...CALCULATOR },
  { id: "chat", name: "A short chat", input: 2400, cached: 2000, output: 400, ...CALCULATOR },
  {
    ...{ id: "report", name: "Write a report of five pages" },
    ...{ input: 10_100, cached: 100, output: 5000, ...CALCULATOR },
  },
  {
    ...{ id: "agent", name: "One step of a coding agent (Claude)" },
    ...{ input: 127_037, cached: 126_180, output: 252, ...TRACES },
  },
  {
    ...{ id: "codex", name: "One step of a coding agent (Codex)" },
    ...{ input: 116_470, cached: 115_584, output: 184, ...TRACES },
  },
];

export const taskOf = (id: string | undefined): Task | undefined =>
  TASKS.find((task) => task.id === id);

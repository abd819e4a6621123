import { expect, test } from "vitest";
import { count, criterion, duration, full, percent, quantity } from "../src/units";

// Printed by impactree.values.formatting.quantity and impactree.report.renderers._cells.
test.each([
  [[6.6, 7.3, 7.9], "Wh", "7.3 (6.6 to 7.9) Wh"],
  [[0.14, 0.15, 0.16], "Wh", "0.15 (0.14 to 0.16) Wh"],
  [[0.0066, 0.0073, 0.0079], "Wh", "7.3 (6.6 to 7.9) mWh"],
  [[0.0994, 0.0995, 0.0996], "Wh", "100 (99 to 100) mWh"],
  [[0, 0, 0], "Wh", "0 Wh"],
  [[0, 0.5, 2], "L", "0.5 (0 to 2) L"],
  [[1e-9, 1e-6, 1e-3], "L", "1 (0.001 to 1000) µL"],
  [[1e-12, 1e-9, 1e-6], "L", "1 (0.001 to 1000) nL"],
  [[1e-16, 2.5e-13, 1e-12], "L", "0.25 (0.0001 to 1) pL"],
  [[1e-18, 2.5e-13, 1e-12], "L", "0.25 (0.000001 to 1) pL"],
  [[12345, 123456, 1234567], "J", "0.12 (0.012 to 1.2) MJ"],
  [[1.25, 1.25, 1.25], "J", "1.2 J"],
  [[1.35, 1.35, 1.35], "J", "1.4 J"],
  [[100.5, 101.5, 102.5], "pJ", "0.1 kpJ"],
  [[1e17, 1e18, 1e19], "J", "1000000 (100000 to 10000000) TJ"],
  [[1e28, 1.5e28, 2e28], "J", "1.5e+16 (1e+16 to 2e+16) TJ"],
] as const)("%j %s", (span, unit, expected) => {
  const q = quantity(span, unit);
  expect(q.range ? `${q.mean} (${q.range}) ${q.unit}` : `${q.mean} ${q.unit}`).toBe(expected);
});

test("a criterion is shown in its everyday unit, and what nobody knows as unknown", () => {
  expect(full([2.8e-6, 3e-6, 3.3e-6], criterion("gwp"))).toBe("3 (2.8 to 3.3) mgCO2eq");
  expect(full([1.4e-8, 1.4e-8, 1.4e-8], criterion("adpe"))).toBe("14 µgSbeq");
  expect(full([7e-5, 7.3e-5, 8e-5], criterion("pe"))).toBe("73 (70 to 80) J");
  expect(full([Number.NaN, Number.NaN, Number.NaN], criterion("pe"))).toBe("unknown");
});

test("counts, times and shares", () => {
  expect([0, 99_999, 100_000, 999_500, 24_300_000].map(count)).toEqual([
    ...["0", "99,999", "100k", "1.0M", "24.3M"],
  ]);
  expect([0, 0.5, 1.5, 30, 802, 7200, 1e6].map(duration)).toEqual([
    ...["<1 ms", "500 ms", "1.5 s", "30 s", "802 s", "2.0 h", "12 d"],
  ]);
  expect([0, 0.0004, 0.042, 0.1, 1].map(percent)).toEqual(["0%", "<0.1%", "4.2%", "10%", "100%"]);
});

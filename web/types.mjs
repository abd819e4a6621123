// src/report.gen.ts from the JSON schemas of reports and impacts.
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const read = (name) =>
  JSON.parse(
    readFileSync(new URL(`../src/impactree/schemas/${name}.schema.json`, import.meta.url)),
  );
const report = read("report");
const { $defs, ...impacts } = read("impacts");
report.$defs = { ...report.$defs, ...$defs, impacts };
// One document: its own references, and no text beside them, which would make a type of its own.
const inlined = JSON.parse(JSON.stringify(report), (_, value) =>
  value?.$ref
    ? { $ref: value.$ref.replace("urn:impactree:schema:impacts", "#/$defs/impacts") }
    : value,
);
for (const schema of [inlined, inlined.$defs.impacts]) delete schema.$id;
const text = await compile(inlined, "Report", {
  additionalProperties: false,
  bannerComment: "// Made by types.mjs from the JSON schemas: not to be edited.",
  unreachableDefinitions: false,
});
writeFileSync(new URL("src/report.gen.ts", import.meta.url), text);

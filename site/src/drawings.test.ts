// The drawings of the documentation are those that the code makes now, and pages show them with words for who cannot
// see them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { drawAll } from "./drawings/drawings.js";
import { figureOf, readTable } from "./drawings/tables.js";

const DOCS = join(__dirname, "../../docs");
const drawings = drawAll(DOCS);

test.each([...drawings])("%s is up to date: npm run docs draws it", (name, text) => {
  expect(readFileSync(join(DOCS, "drawings", name), "utf8")).toBe(text);
});

test("every drawing that is stored is shown, and has a text", () => {
  expect(readdirSync(join(DOCS, "drawings")).sort()).toEqual([...drawings.keys()].sort());
  const pages = readdirSync(DOCS).filter((name) => name.endsWith(".md"));
  const shown = pages.flatMap((name) => {
    const text = readFileSync(join(DOCS, name), "utf8");
    return [...text.matchAll(/!\[([^\]]*)\]\(drawings\/([^)]+)\)/g)].map(
      ([, alt, file]) => [file!, alt!] as const,
    );
  });
  expect(shown.map(([file]) => file).sort()).toEqual([...drawings.keys()].sort());
  expect(shown.filter(([, alt]) => alt.length < 30)).toEqual([]);
});

test("a table is read by the names of its columns", () => {
  const page = "text\n\n| a | b |\n| - | - |\n| x | 1.5 GB |\n\n| c |\n| - |\n| 2% |\n";
  expect(readTable(page, "a")).toEqual([{ a: "x", b: "1.5 GB" }]);
  expect(figureOf(readTable(page, "c")[0]!, "c")).toBe(2);
  expect(figureOf({ b: "1.5 GB" }, "b")).toBe(1.5);
  expect(() => readTable(page, "d")).toThrow(/no table/);
  expect(() => figureOf({ a: "x" }, "a")).toThrow(/no number/);
});

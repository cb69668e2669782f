// The page "What cannot happen here" names only tests that there are.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import * as ts from "typescript";

const ROOT = join(__dirname, "../..");
const page = readFileSync(join(ROOT, "docs/cannot_happen.md"), "utf8");

/** The titles of a file's tests and groups of tests. */
function titlesOf(path: string): string[] {
  const source = readFileSync(path, "utf8");
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.arguments[0] !== undefined) {
      const [title] = node.arguments;
      const runs = /^\(?[^"'`]*\b(test|describe)\b/s.test(node.expression.getText());
      if (runs && ts.isStringLiteralLike(title)) titles.push(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true));
  return titles;
}

const sections = page
  .split(/^### /m)
  .slice(1)
  .map((text) => {
    const [fault, ...rest] = text.split("\n");
    const named = [...rest.join("\n").matchAll(/\*\*Test\*\*:\s+`([^`]+)`,\s+`([^`]+)`/g)];
    return { fault: fault!, tests: named.map(([, path, title]) => [path!, title!] as const) };
  });

test("every fault has a test", () => {
  expect(sections.length).toBeGreaterThan(20);
  expect(sections.filter(({ tests }) => tests.length === 0)).toEqual([]);
});

test.each(sections)("$fault", ({ tests }) => {
  const missing = tests.filter(([path, title]) => {
    const file = join(ROOT, path);
    return !existsSync(file) || !titlesOf(file).includes(title);
  });
  expect(missing).toEqual([]);
});

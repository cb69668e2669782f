// The apps' commands, found by `npx` in a clone that set-up has built, and named in the docs only as a user finds them.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const ROOT = join(__dirname, "../..");

const commands = readdirSync(join(ROOT, "apps")).flatMap((app) => {
  const manifest = readFileSync(join(ROOT, "apps", app, "package.json"), "utf8");
  return Object.keys((JSON.parse(manifest) as { bin: Record<string, string> }).bin);
});

test.each(commands)("npx %s shows its help", (command) => {
  const help = execFileSync("npx", ["--no-install", command, "--help"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(help).toMatch(/usage/i);
});

const pages = [
  ...["README.md", "CONTRIBUTING.md", "examples/README.md"],
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
  ...["packages", "apps"].flatMap((kind) =>
    readdirSync(join(ROOT, kind)).map((name) => join(kind, name, "README.md")),
  ),
].filter((page) => existsSync(join(ROOT, page)));

/** What npx starts of others' packages, which are dependencies of the workspace. */
const OF_OTHERS = ["nx", "tsc"];

// `npx NAME` fetches a package of that name where no installed one has such a command.
test.each(pages)("%s starts by npx only what is installed", (page) => {
  const text = readFileSync(join(ROOT, page), "utf8");
  const started = [...text.matchAll(/\bnpx (?:-p \S+ )?([\w@/-]+)/g)].map(([, name]) => name!);
  expect(started.filter((name) => ![...commands, ...OF_OTHERS].includes(name))).toEqual([]);
});

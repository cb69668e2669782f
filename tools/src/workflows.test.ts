// The workflows of the repository's host run here only in parts: that what they name is there, and the Nodes are those
// of the packages' tests.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { versions } from "./nodes.js";
import { ROOT } from "./packed.js";

interface Workflow {
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly strategy?: { readonly matrix: Readonly<Record<string, unknown>> };
        readonly uses?: string;
        readonly steps?: readonly { readonly run?: string }[];
      }
    >
  >;
}

const FOLDER = join(ROOT, ".github/workflows");
const files = readdirSync(FOLDER);
const read = (file: string): Workflow =>
  parse(readFileSync(join(FOLDER, file), "utf8")) as Workflow;

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Readonly<Record<string, string>>;
};

test.each(files)("%s names programs and workflows that are there", (file) => {
  for (const { uses, steps = [] } of Object.values(read(file).jobs)) {
    if (uses !== undefined) expect(existsSync(join(ROOT, uses))).toBe(true);
    for (const { run = "" } of steps) {
      for (const [, path = ""] of run.matchAll(/\b(?:node|bash) ([\w./]+)/g)) {
        expect({ path, isThere: existsSync(join(ROOT, path)) }).toEqual({ path, isThere: true });
      }
      for (const [, script = ""] of run.matchAll(/\bnpm (?:run )?(test\S*|build|lint)/g)) {
        expect(Object.keys(scripts)).toContain(script);
      }
    }
  }
});

test("tests run on both processors of Linux and on macOS, on every Node that is maintained", () => {
  const { linux, macos } = read("test.yml").jobs;
  expect(linux!.strategy!.matrix["runner"]).toEqual(["ubuntu-24.04", "ubuntu-24.04-arm"]);
  const majors = versions.map((version) => Number(version.split(".")[0]));
  for (const job of [linux, macos]) expect(job!.strategy!.matrix["node"]).toEqual(majors);
});

const PLANS = join(ROOT, ".nx/version-plans");

test("plans of versions say how far the version goes, and what is new", () => {
  for (const plan of existsSync(PLANS) ? readdirSync(PLANS) : []) {
    expect(readFileSync(join(PLANS, plan), "utf8")).toMatch(
      /^---\n__default__: (patch|minor|major)\n---\n\n\S[^]*[^\n]\n$/,
    );
  }
});

// The apps' commands, found by `npx` in a clone that set-up has built.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
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

// Every command that a page shows is there, and takes the flags that it is given.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runProgram } from "@tessera/testing";

const ROOT = join(__dirname, "../..");
const DOCS = join(ROOT, "docs");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

interface Shown {
  readonly page: string;
  /** A program and its subcommand. */
  readonly program: string;
  readonly flags: readonly string[];
}

const PROGRAM =
  /(?:npx |node_modules\/\.bin\/)(tessera-[a-z-]+|tessera (?:(?:data|tokenizer) )?[a-z][a-z-]*)(.*)/;

/** The commands of a line: a launcher's, and behind `--` what it starts. */
function commandsOf(page: string, line: string): Shown[] {
  const [command = ""] = line.split(/ +# /);
  return command.split(/ -- | \| /).flatMap((part) => {
    const [, program, rest = ""] = PROGRAM.exec(part) ?? [];
    if (program === undefined) return [];
    const flags = [...rest.matchAll(/ (--[A-Za-z][\w-]*)/g)].map(([, flag]) => flag!);
    return [{ page, program, flags }];
  });
}

const pages = readdirSync(DOCS).filter((name) => name.endsWith(".md"));
const lines = pages.flatMap((page) =>
  [...readFileSync(join(DOCS, page), "utf8").matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(
    ([, block]) =>
      block!
        .replaceAll(/\\\n\s*/g, "")
        .split("\n")
        .map((line) => ({ page, line })),
  ),
);
const shown = lines.flatMap(({ page, line }) => commandsOf(page, line));
const programs = [...new Set(shown.map(({ program }) => program))];

test("commands are found on pages, with what launchers start", () => {
  expect(programs).toEqual(
    expect.arrayContaining(["tessera launch", "tessera-gpt-ddp", "tessera-pretrain-gpt"]),
  );
});

test.each(programs)("%s", (program) => {
  const [name, ...words] = program.split(" ");
  const file = join(ROOT, "node_modules/.bin", name!);
  const { status, stdout } = runProgram(file, [...words, "--help"], { cwd: ROOT });
  expect(status).toBe(0);
  const isKnown = (flag: string) => new RegExp(`(^|[\\s,])${flag}(?![\\w-])`, "m").test(stdout);
  const unknown = shown
    .filter((one) => one.program === program)
    .flatMap(({ page, flags }) =>
      flags.filter((flag) => !isKnown(flag)).map((flag) => [page, flag]),
    );
  expect(unknown).toEqual([]);
});

test("scripts of the workspace that pages run are there", () => {
  const named = lines.flatMap(({ line }) => [...line.matchAll(/npm run ([\w:-]+)/g)]);
  expect(named.length).toBeGreaterThan(5);
  expect(named.map(([, script]) => script!).filter((script) => !(script in scripts))).toEqual([]);
});

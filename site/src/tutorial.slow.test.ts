// The tutorial, followed word for word in an empty folder, gives what it shows; and guides' commands run.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { runProgram, scratchFolder } from "@tessera/testing";

const ROOT = join(__dirname, "../..");
const page = readFileSync(join(ROOT, "docs/tutorial.md"), "utf8");
const folder = scratchFolder("tutorial")("first-model");

interface Block {
  readonly commands: readonly string[];
  /** Lines that the commands print, or how these begin. */
  readonly shown: readonly string[];
}

/** The blocks of shell of a page, each with the text that the page shows behind it. */
const blocksOf = (markdown: string): Block[] =>
  markdown
    .split("```sh\n")
    .slice(1)
    .map((part) => {
      const [commands = "", ...rest] = part.split("```");
      const [, shown = ""] = /```text\n([\s\S]*?)```/.exec(rest.join("```")) ?? [];
      const lines = (text: string) =>
        text
          .trim()
          .split("\n")
          .filter((line) => line !== "");
      return { commands: lines(commands.replaceAll(/\\\n\s*/g, "")), shown: lines(shown) };
    });

const blocks = blocksOf(page);

const shell = (command: string, env = process.env) => {
  const result = runProgram("sh", ["-c", command], { cwd: folder, env });
  expect({ command, ...result }).toMatchObject({ status: 0 });
  return result.stdout;
};

/** The last step of the run that is drawn; another run goes on behind it. */
const LAST = 200;

/** The losses of a run by their steps. */
const lossesOf = (path: string): Map<number, number> =>
  new Map(
    readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { step: number; loss?: number })
      .filter(({ step, loss }) => loss !== undefined && step <= LAST)
      .map(({ step, loss }) => [step, loss!]),
  );

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  const [init, install] = blocks[0]!.commands;
  expect(init).toBe("npm init -y");
  shell(init!);
  const [program, word, ...names] = install!.split(" ");
  expect([program, word]).toEqual(["npm", "install"]);
  // Tessera's own are those of the workspace: tools/src/packages.test.ts packs and installs them.
  const others = names.filter((name) => !name.startsWith("@tessera/"));
  shell(`npm install --ignore-scripts --no-audit --no-fund ${others.join(" ")}`);
  for (const linked of ["@tessera", ".bin"]) {
    const place = join(folder, "node_modules", linked);
    shell(`rm -rf ${place}`);
    symlinkSync(join(ROOT, "node_modules", linked), place);
  }
});

test("every block of text is behind the commands that print it", () => {
  expect(blocks).toHaveLength(5);
  expect(page.match(/```text/g)).toHaveLength(
    blocks.filter(({ shown }) => shown.length > 0).length,
  );
});

test("each command prints the lines that are shown, in their order", () => {
  for (const { commands, shown } of blocks.slice(1)) {
    const printed = commands
      .map((command) => shell(command))
      .join("\n")
      .split("\n");
    const found = printed.filter((line) => shown.some((start) => line.startsWith(start)));
    const begins = found.map((line) => shown.find((start) => line.startsWith(start)));
    expect({ commands, begins }).toEqual({ commands, begins: shown });
    if (commands[0]!.includes(" generate ")) {
      expect(printed.join("\n")).toMatch(/^Call me[^]{80,}/);
    }
  }
});

test.each(["one", "two"])("the curve of %s is the one that is drawn", (name) => {
  const stored = lossesOf(join(ROOT, `docs/figures/tutorial_${name}.jsonl`));
  const measured = lossesOf(join(folder, name, "metrics.jsonl"));
  expect(stored.size).toBe(11);
  expect([...measured.keys()]).toEqual([...stored.keys()]);
  for (const [step, loss] of measured)
    expect(Math.abs(loss - stored.get(step)!)).toBeLessThan(1e-3);
});

test.each(["megatron.md", "hugging_face.md"])("the commands of %s run, in their order", (name) => {
  const text = readFileSync(join(ROOT, "README.md"), "utf8").repeat(4);
  writeFileSync(join(folder, "book.txt"), text);
  const commands = blocksOf(readFileSync(join(ROOT, "docs", name), "utf8")).flatMap((block) => [
    ...block.commands,
  ]);
  expect(commands.length).toBeGreaterThan(0);
  // A server does not end by itself: apps/tessera/src/models.test.ts runs it.
  for (const command of commands.filter((line) => !line.includes(" serve "))) shell(command);
});

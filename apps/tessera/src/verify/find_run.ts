// Where a program describes what it would train: the module that its package exports as `./run`, or its own file.

import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { delimiter, join, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { UserError } from "@tessera/config";
import type { RunConfig } from "@tessera/trainer";
import { packageOf, parentsOf } from "./parents.js";

/** A program that describes its runs, and the words that are given to it. */
export interface DescribedProgram {
  /** Of the module that exports `describeRun(words, ranks)`. */
  readonly module: string;
  /** The folder of the package that it is in. */
  readonly folder: string;
  readonly words: readonly string[];
}

/** What may stand before a program. */
const STARTERS = new Set(["node", "npx", process.execPath]);

/**
 * The program of a command line, such as `npx tessera-pretrain-gpt --preset 22b` or `node my_run.js`.
 * `asker`: the command that asks.
 * @throws UserError where there is none.
 */
export function findRun(
  command: readonly string[],
  asker: "verify" | "replay",
  from = process.cwd(),
): DescribedProgram {
  const start = command.findIndex((word) => !STARTERS.has(word));
  const name = command[start];
  if (name === undefined) {
    throw new UserError(
      `tessera ${asker} needs a program after --, as in: -- tessera-pretrain-gpt --preset 1.4b`,
    );
  }
  const file = realpathSync(findProgram(name, from));
  const folder = packageOf(file);
  return { module: exportedRun(folder) ?? file, folder, words: command.slice(start + 1) };
}

function findProgram(name: string, from: string): string {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  const above = parentsOf(from).map((folder) => join(folder, "node_modules", ".bin"));
  const tried = [resolve(from, name)].concat(
    name.includes(sep) ? [] : [...above, ...path].map((folder) => join(folder, name)),
  );
  const found = tried.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return found;
  throw new UserError(
    `${name}: is neither a file nor a program on the PATH or in node_modules/.bin; ` +
      "give the program that trains, as it is started",
  );
}

/** What a package exports as `./run`. */
function exportedRun(folder: string): string | undefined {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return undefined;
  const { exports = {} } = JSON.parse(readFileSync(file, "utf8")) as {
    exports?: Readonly<Record<string, string | { readonly default?: string }>>;
  };
  const target = exports["./run"];
  const path = typeof target === "string" ? target : target?.default;
  return path === undefined ? undefined : join(folder, path);
}

/** What a program's module exports. */
interface RunModule {
  readonly describeRun?: (
    words: readonly string[],
    ranks: number,
  ) => RunConfig | Promise<RunConfig>;
}

/** The run of a program on so many ranks. */
export async function describedRun(
  { module, words }: DescribedProgram,
  ranks: number,
): Promise<RunConfig> {
  const { describeRun } = (await import(pathToFileURL(module).href)) as RunModule;
  if (typeof describeRun === "function") return describeRun(words, ranks);
  throw new UserError(
    `${module}: exports no function describeRun(words, ranks) that returns a RunConfig; ` +
      "docs/parallelism.md shows one",
  );
}

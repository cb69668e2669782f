// The digest of a run: its words, the files that these name, and the code of the program and of all Tessera's packages
// that it has.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { DescribedProgram } from "./find_run.js";
import { packageOf, parentsOf } from "./parents.js";

/** Larger files are data. */
const MAX_BYTES = 2 ** 20;
const CODE = /(?<!\.test)\.(?:js|mjs|cjs|json|cc|h)$/;
/** What builds and tests leave in a package's folder. */
const NOT_CODE = /^(?:node_modules|fixtures|build|test-results\..*|\..*)$/;

/** SHA-256, in hexadecimal digits. */
export function digestRun({ folder, module, words }: DescribedProgram): string {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const word of words) {
    const file = word.slice(word.indexOf("=") + 1);
    if (isSmallFile(file)) hash.update(`\n${word}\n`).update(readFileSync(file));
  }
  hash.update(relative(folder, module));
  const own = packageOf(fileURLToPath(import.meta.url));
  for (const line of describeCode([folder, own])) hash.update(`${line}\n`);
  return hash.digest("hex");
}

const isSmallFile = (file: string): boolean => {
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size <= MAX_BYTES;
};

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A line of each file of the packages in `folders` and of those that they depend on; of others, the version alone. */
function describeCode(folders: readonly string[]): readonly string[] {
  const [seen, lines] = [new Set<string>(), new Set<string>()];
  const visit = (folder: string): void => {
    if (seen.has(folder)) return;
    seen.add(folder);
    const { name = "", dependencies = {} } = manifestOf(folder);
    for (const file of codeIn(folder)) {
      const digest = createHash("sha256")
        .update(readFileSync(join(folder, file)))
        .digest("hex");
      lines.add(`${name} ${file} ${digest}`);
    }
    for (const [dependency, range] of Object.entries(dependencies)) {
      const found = parentsOf(folder)
        .map((parent) => join(parent, "node_modules", dependency))
        .find(existsSync);
      if (found !== undefined && dependency.startsWith("@tessera/")) visit(realpathSync(found));
      else lines.add(`${dependency} ${found ? manifestOf(found).version : range}`);
    }
  };
  for (const folder of folders) visit(folder);
  return [...lines].sort();
}

function manifestOf(folder: string): Manifest {
  const file = join(folder, "package.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Manifest) : {};
}

/** Files of code below `folder`, by their paths in it. */
const codeIn = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !NOT_CODE.test(name))
    .flatMap((entry) => {
      if (entry.isDirectory()) {
        return codeIn(join(folder, entry.name)).map((file) => join(entry.name, file));
      }
      return CODE.test(entry.name) && isSmallFile(join(folder, entry.name)) ? [entry.name] : [];
    })
    .sort();

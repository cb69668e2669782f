// The packages as npm gets them: packed, installed, and used from an empty project.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { runNode, runProgram, type ProcessResult } from "@tessera/testing";
import * as ts from "typescript";

export const ROOT = join(__dirname, "../..");
const TSC = join(ROOT, "node_modules/@typescript/native/bin/tsc");
const OPTIONS = "--ignoreConfig --strict --target es2023 --skipLibCheck --types node";
/** How a project's compiler looks for packages. */
const RESOLUTIONS = {
  nodenext: "--module nodenext",
  bundler: "--module preserve --moduleResolution bundler",
} as const;
export type Resolution = keyof typeof RESOLUTIONS;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly engines: { readonly node: string };
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** The packages that are published, with their folders. */
export const published = ["packages", "apps"]
  .flatMap((kind) => readdirSync(join(ROOT, kind)).map((name) => join(ROOT, kind, name)))
  .map((folder) => ({ folder, manifest: readManifest(folder), name: readManifest(folder).name }))
  .filter(({ manifest }) => manifest.private !== true);

/** What others import from a package. */
export const entriesOf = ({ name, exports = {} }: Manifest): string[] =>
  Object.keys(exports)
    .filter((path) => !path.endsWith(".json"))
    .map((path) => name + path.slice(1));

/** The output of a program. Throws what it printed where it failed. */
export function output({ status, stdout, stderr }: ProcessResult): string {
  if (status !== 0) throw new Error(stdout + stderr);
  return stdout;
}

export const npm = (args: readonly string[], cwd: string, env = process.env): string =>
  output(runProgram("npm", args, { cwd, env, maxBuffer: 2 ** 28 }));

export interface Packed {
  readonly tarball: string;
  /** For package.json. */
  readonly address: string;
  /** The paths in the package. */
  readonly files: readonly string[];
}

/** Packs what npm's flags `chosen` name in `cwd` into `folder`. Returns what was packed, by the names of the packages. */
export function pack(cwd: string, chosen: readonly string[], folder: string): Map<string, Packed> {
  mkdirSync(folder, { recursive: true });
  const options = ["--json", "--ignore-scripts", "--pack-destination", folder];
  const packed = JSON.parse(npm(["pack", ...options, ...chosen], cwd)) as {
    name: string;
    filename: string;
    files: { path: string }[];
  }[];
  return new Map(
    packed.map(({ name, filename, files }) => {
      const tarball = join(folder, filename);
      return [name, { tarball, address: `file:${tarball}`, files: files.map(({ path }) => path) }];
    }),
  );
}

/** Packs every package into `folder`. */
export const packAll = (folder: string): Map<string, Packed> =>
  pack(
    ROOT,
    published.flatMap(({ name }) => ["--workspace", name]),
    folder,
  );

/** Makes a project in `folder` that depends on the packages `names`, and through them on no others of npm's. */
export function install(
  folder: string,
  names: readonly string[],
  packed: ReadonlyMap<string, Packed>,
  env = process.env,
): void {
  const addresses = (isWanted: (name: string) => boolean) =>
    Object.fromEntries(
      [...packed].filter(([name]) => isWanted(name)).map(([name, { address }]) => [name, address]),
    );
  const manifest = {
    private: true,
    type: "module",
    dependencies: { ...addresses((name) => names.includes(name)), "@types/node": "^20.19.0" },
    overrides: addresses((name) => !names.includes(name)),
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  npm(["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], folder, env);
}

/** Imports `entries` from a project, in one process, and type-checks the same program. */
export function useAll(
  project: string,
  entries: readonly string[],
  resolutions: readonly Resolution[] = ["nodenext"],
): void {
  const lines = entries.map(
    (entry, i) => `import * as entry${i} from "${entry}";\nvoid entry${i};`,
  );
  for (const file of ["use.mjs", "use.mts"]) {
    writeFileSync(join(project, file), `${lines.join("\n")}\n`);
  }
  output(runNode(["use.mjs"], { cwd: project }));
  for (const resolution of resolutions) typeCheck(project, ["use.mts"], resolution);
}

/** Throws the compiler's complaints. */
export const typeCheck = (
  cwd: string,
  files: readonly string[],
  resolution: Resolution = "nodenext",
): void => compile(cwd, ["--noEmit", ...files], resolution);

/** Makes a .js beside each .ts. Throws the compiler's complaints. */
export function compile(
  cwd: string,
  files: readonly string[],
  resolution: Resolution = "nodenext",
): void {
  const options = `${OPTIONS} ${RESOLUTIONS[resolution]}`;
  output(runNode([TSC, ...options.split(" "), ...files], { cwd }));
}

/** The packages that a file's text imports, requires or looks for. */
export function packagesIn(text: string): string[] {
  const { importedFiles } = ts.preProcessFile(text, true, true);
  const resolved = [...text.matchAll(/\bresolve\("([^"./][^"]*)"/g)].map(([, name]) => name!);
  return [...importedFiles.map(({ fileName }) => fileName), ...resolved]
    .filter((name) => !name.startsWith(".") && !isBuiltin(name))
    .map((name) => name.split("/", name.startsWith("@") ? 2 : 1).join("/"));
}

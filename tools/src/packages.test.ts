// The packages as their users get them: all installed in one project. A package could import there what it does not
// depend on, so imports are compared with manifests.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { runProgram, scratchFolder } from "@tessera/testing";
import {
  entriesOf,
  install,
  packagesIn,
  packAll,
  published,
  readManifest,
  ROOT,
  useAll,
  type Manifest,
  type Packed,
} from "./packed.js";

const scratch = scratchFolder("packages");
const project = scratch("project");
let packed: ReadonlyMap<string, Packed>;

beforeAll(() => {
  packed = packAll(scratch("tarballs"));
  const names = published.map(({ name }) => name);
  install(project, names, packed);
});

test("all packages are packed, and none is left out unseen", () => {
  expect([...packed.keys()].sort()).toEqual(published.map(({ name }) => name).sort());
  expect(published.map(({ name }) => name)).not.toContain("@tessera/testing");
});

test("every entry imports and type-checks", () => {
  const entries = published.flatMap(({ manifest }) => entriesOf(manifest));
  const libraries = published.filter(({ manifest }) => manifest.exports !== undefined);
  expect(entries.length).toBeGreaterThanOrEqual(libraries.length);
  useAll(project, entries);
});

const commands = published.flatMap(({ manifest }) => Object.keys(manifest.bin ?? {}));

test.each(commands)("%s shows its help", (command) => {
  const ended = runProgram(join(project, "node_modules/.bin", command), ["--help"]);
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  expect(ended.stdout).toMatch(/usage/i);
});

test("every package asks for the same Node, as they depend on each other", () => {
  const manifests = [readManifest(ROOT), ...published.map(({ manifest }) => manifest)];
  expect(new Set(manifests.map(({ engines }) => engines.node)).size).toBe(1);
});

/** What a package asks for but does not import itself. */
const LOADED_BY_NAME: Readonly<Record<string, readonly string[]>> = {
  // `--backend tensorflow` takes the one that is installed.
  "@tessera/engines": ["@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"],
  // What serves ONNX models in @tessera/generation, which leaves it to its users to install.
  "@tessera/cli": ["onnxruntime-node"],
};

const declared = ({ dependencies, peerDependencies, optionalDependencies }: Manifest) =>
  Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies });

describe.each(published)("$name", ({ folder, name, manifest }) => {
  const importedBy = (kind: RegExp): Set<string> => {
    const files = packed.get(name)!.files.filter((file) => kind.test(file));
    expect(files).not.toHaveLength(0);
    return new Set(files.flatMap((file) => packagesIn(readFileSync(join(folder, file), "utf8"))));
  };

  test("asks for what it imports, and for nothing else", () => {
    const imported = importedBy(/\.(js|mjs|d\.ts)$/);
    const used = [...imported].filter((other) => other !== name);
    expect([...used, ...(LOADED_BY_NAME[name] ?? [])].sort()).toEqual(declared(manifest).sort());
  });

  test("has no tests, nor what only tests run", () => {
    const { files } = packed.get(name)!;
    expect(
      files.filter((file) => /\.test\.|(^|\/)programs\/|cases?\.|sanitize/.test(file)),
    ).toEqual([]);
    expect(files.filter((file) => /^(src|fixtures|build|dist\/native)\//.test(file))).toEqual([]);
  });
});

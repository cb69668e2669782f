// The packages as their users get them: all installed in one project. A package could import there what it does not
// depend on, so imports are compared with manifests.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { runProgram, scratchFolder } from "@tessera/testing";
import { measureFootprint } from "./installed.js";
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

describe("docs/packages.md says what is installed for a package", () => {
  const rows = readFileSync(join(ROOT, "docs/packages.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `@tessera/"))
    .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")))
    .map(([, name = "", megabytes, packages, dependencies]) => ({
      name,
      megabytes: Number(megabytes),
      packages: Number(packages),
      dependencies,
    }));

  test("every package once", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(published.map(({ name }) => name).sort());
  });

  test.each(rows)("$name: $megabytes MB in $packages packages", (row) => {
    const { manifest } = published.find(({ name }) => name === row.name)!;
    const ofOthers = Object.keys(manifest.dependencies ?? {})
      .filter((name) => !name.startsWith("@tessera/"))
      .sort();
    const { packages, bytes } = measureFootprint(project, row.name);
    expect({ packages, dependencies: ofOthers.join(", ") }).toEqual({
      packages: row.packages,
      dependencies: row.dependencies,
    });
    // A little of its own code more or less makes no difference to a user; another dependency does.
    expect(Math.abs(bytes / 1e6 - row.megabytes)).toBeLessThan(Math.max(0.3, 0.1 * row.megabytes));
  });
});

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
    expect(used.sort()).toEqual(declared(manifest).sort());
  });

  test("brings its licence, and source maps that have their sources", () => {
    expect(packed.get(name)!.files).toContain("LICENSE");
    expect(readFileSync(join(folder, "LICENSE"))).toEqual(readFileSync(join(ROOT, "LICENSE")));
    const maps = packed.get(name)!.files.filter((file) => file.endsWith(".map"));
    const without = maps.filter(
      (file) => !readFileSync(join(folder, file), "utf8").includes('"sourcesContent":["'),
    );
    expect(without).toEqual([]);
  });

  test("has no tests, nor what only tests run", () => {
    // Laws are for engines of others too.
    const files = packed.get(name)!.files.filter((file) => !file.startsWith("dist/laws/"));
    expect(
      files.filter((file) => /\.test\.|(^|\/)programs\/|cases?\.|sanitize/.test(file)),
    ).toEqual([]);
    expect(files.filter((file) => /^(src|fixtures|build|dist\/native)\//.test(file))).toEqual([]);
  });
});

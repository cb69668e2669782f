// Each package as its users get it: alone in a project, with TypeScript's two ways to look for packages, on every
// version of Node that is maintained, and looked at by the ecosystem's own inspectors.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { runNode, runProgram, scratchFolder } from "@tessera/testing";
import { installAlone } from "./installed.js";
import { installNode, versions } from "./nodes.js";
import {
  entriesOf,
  install,
  output,
  packAll,
  published,
  ROOT,
  useAll,
  type Packed,
} from "./packed.js";

const scratch = scratchFolder("packages-alone");
/** With all packages. */
const project = scratch("project");
let packed: ReadonlyMap<string, Packed>;

beforeAll(() => {
  packed = packAll(scratch("tarballs"));
  install(project, [...packed.keys()], packed);
});

test.each(published)("$name works alone, and what it offers is there", ({ name, manifest }) => {
  const alone = scratch("alone");
  installAlone(project, [name, "@types/node"], alone);
  const entries = entriesOf(manifest);
  const commands = Object.values(manifest.bin ?? {});
  expect([...entries, ...commands]).not.toHaveLength(0);
  if (entries.length > 0) useAll(alone, entries, ["nodenext", "bundler"]);
  for (const command of commands) {
    const ended = runNode([join(alone, "node_modules", name, command), "--help"]);
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/usage/i) });
  }
  rmSync(alone, { recursive: true });
});

describe("publint and attw --profile esm-only", () => {
  let complaints: Readonly<Record<string, readonly string[]>>;
  beforeAll(() => {
    const named = [...packed].map(([name, { tarball }]) => `${name}=${tarball}`);
    const inspect = join(ROOT, "tools/release/inspect.mjs");
    complaints = JSON.parse(output(runNode([inspect, ...named]))) as typeof complaints;
  });

  test.each(published)("find nothing in $name", ({ name }) => {
    expect(complaints[name]).toEqual([]);
  });
});

/** Imports what packages export, one after the other. Prints what failed, by their names. */
const IMPORT_EACH = `
const failed = {};
for (const [name, entries] of Object.entries(JSON.parse(process.argv[2])))
  for (const entry of entries)
    await import(entry).catch((error) => (failed[name] = String(error)));
console.log(JSON.stringify(failed));
`;

describe.each(versions)("Node %s", (version) => {
  let node: string;
  let failed: Readonly<Record<string, string>>;
  beforeAll(() => {
    node = installNode(version);
    writeFileSync(join(project, "import_each.mjs"), IMPORT_EACH);
    const entries = published.map(({ name, manifest }) => [name, entriesOf(manifest)]);
    const words = ["import_each.mjs", JSON.stringify(Object.fromEntries(entries))];
    failed = JSON.parse(output(runProgram(node, words, { cwd: project }))) as typeof failed;
  });

  test("is of that version", () => {
    expect(output(runProgram(node, ["--version"]))).toMatch(new RegExp(`^v${version}\\.`));
  });

  test.each(published)("runs $name", ({ name, manifest }) => {
    expect(failed[name]).toBeUndefined();
    for (const command of Object.values(manifest.bin ?? {})) {
      const ended = runProgram(node, [join(project, "node_modules", name, command), "--help"]);
      expect(ended).toMatchObject({ status: 0, stderr: "" });
    }
  });
});

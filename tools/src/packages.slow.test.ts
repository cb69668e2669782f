// Each package alone: installed into an empty folder, imported, and type-checked against.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { runProgram, scratchFolder } from "@tessera/testing";
import { entriesOf, install, packAll, published, useAll, type Packed } from "./packed.js";

const scratch = scratchFolder("packages-alone");
let packed: ReadonlyMap<string, Packed>;
beforeAll(() => {
  packed = packAll(scratch("tarballs"));
});

test.each(published)("$name installs alone, and what it offers is there", ({ name, manifest }) => {
  const project = scratch("project");
  install(project, [name], packed);
  const entries = entriesOf(manifest);
  const commands = Object.keys(manifest.bin ?? {});
  expect([...entries, ...commands]).not.toHaveLength(0);
  if (entries.length > 0) useAll(project, entries);
  for (const command of commands) {
    const ended = runProgram(join(project, "node_modules/.bin", command), ["--help"]);
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/usage/i) });
  }
  rmSync(project, { recursive: true });
});

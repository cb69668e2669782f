// What a process alone can show; apps/tessera runs the laws on several ranks, tools on a cluster.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import { loadAddon } from "./addon.js";
import { isAvailable, joinWorld } from "./index.js";

const scratch = scratchFolder("join-world");

test("a process that no launcher started is a world of one", () => {
  const world = joinWorld({});
  expect(world).toMatchObject({ rank: 0, size: 1, engine: "one process" });
});

test.each([
  ["torchrun", { RANK: "1", WORLD_SIZE: "4", LOCAL_RANK: "1", LOCAL_WORLD_SIZE: "4" }],
  ["PyTorchJob", { RANK: "1", WORLD_SIZE: "4" }],
])("%s starts no ranks that MPI finds, and is refused as such", (launcher, env) => {
  expect(() => joinWorld(env)).toThrow(
    `${launcher} started 4 ranks, but ranks find each other by MPI here, which it does not start: use`,
  );
});

(isAvailable() ? test : test.skip)("a job of several ranks never turns into worlds of one", () => {
  const built = pathToFileURL(join(__dirname, "../dist/index.js")).href;
  const script = `
    import { joinWorld } from ${JSON.stringify(built)};
    const env = { PMI_RANK: "0", PMI_SIZE: "2", MPI_LOCALRANKID: "0", MPI_LOCALNRANKS: "2" };
    try { joinWorld(env); } catch (error) { console.log(error.name + ": " + error.message); }
    process.exit(0);`;
  const { stdout } = runNode(["--input-type=module", "-e", script]);
  expect(stdout).toMatch(/^UserError: .*rank 0 of 2, but .* says rank 0 of 1/);
});

test("an engine whose MPI is gone is told of, with what builds it on another", () => {
  const file = scratch("tessera_mpi.node");
  writeFileSync(file, "not a library");
  expect(() => loadAddon(file)).toThrow(
    /^the MPI engine does not load \(.*tessera_mpi\.node.*\): .*build-engines builds it on the MPI that is here$/,
  );
});

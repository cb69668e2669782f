// What a process alone can show; apps/tessera runs the laws on several ranks, tools on a cluster.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runNode } from "@tessera/testing";
import { isAvailable, joinWorld } from "./index.js";

test("a process that no launcher started is a world of one", () => {
  const world = joinWorld({});
  expect(world).toMatchObject({ rank: 0, size: 1, engine: "one process" });
});

(isAvailable() ? test : test.skip)("a job of several ranks never turns into worlds of one", () => {
  const built = pathToFileURL(join(__dirname, "../dist/index.js")).href;
  const script = `
    import { joinWorld } from ${JSON.stringify(built)};
    const env = { RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0", LOCAL_WORLD_SIZE: "2" };
    try { joinWorld(env); } catch (error) { console.log(error.name + ": " + error.message); }
    process.exit(0);`;
  const { stdout } = runNode(["--input-type=module", "-e", script]);
  expect(stdout).toMatch(/^UserError: .*rank 0 of 2, but .* says rank 0 of 1/);
});

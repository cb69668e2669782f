// The losses that README promises to whoever runs `npm run train`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/kernels-native";
import { runNode, scratchFolder } from "@tessera/testing";
import { ROOT } from "./packed.js";

const at = scratchFolder("first-minutes");
/** By backend. */
const promised = [
  ...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(
    /^\| (native|wasm)\b[^|]*\| +(\d+) +\| +(\d\.\d\d) +\|$/gm,
  ),
].map(([, backend, steps, loss]) => ({ backend: backend!, steps: steps!, loss: loss! }));

test("README has the losses of both backends", () => {
  expect(promised.map(({ backend }) => backend)).toEqual(["native", "wasm"]);
});

// On the native engine, since wasm takes minutes: their losses are the same.
const onNative = isAvailable() ? test : test.skip;
onNative.each(promised)("the defaults for $backend reach $loss", ({ backend, steps, loss }) => {
  const folder = at(backend);
  const options = { isNative: backend === "native", folder };
  const source = `
    import { train } from ${JSON.stringify(join(ROOT, "tools/train/train.mjs"))};
    process.exitCode = await train(["--sample_len", "0"], ${JSON.stringify(options)});
  `;
  // A minute of two quiet processors, and many of what slow tests leave.
  const { status, stdout, stderr } = runNode(["--input-type=module", "--eval", source], {
    timeout: 900_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const [, found] = /validation loss (\d\.\d+)/.exec(stdout) ?? [];
  expect(stdout).toContain(` ${steps} steps, `);
  expect(Number(found).toFixed(2)).toBe(loss);
});

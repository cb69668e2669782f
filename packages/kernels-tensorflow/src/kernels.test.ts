// What needs no TensorFlow: its settings, where it is looked for, and which random words a rate drops.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import { remarks } from "./build.js";
import { configurationOf } from "./configuration.js";
import { firstKeptWord } from "./kernels/dropout.js";

const at = scratchFolder("tensorflow");

test("the settings are a ConfigProto: threads, memory that grows, and processors for what a GPU lacks", () => {
  // Fields 2 and 5, the message 6 with its field 4, field 7; 300 takes two bytes.
  expect([...configurationOf(300)]).toEqual([0x10, 0xac, 2, 0x28, 1, 0x32, 2, 0x20, 1, 0x38, 1]);
  expect([...configurationOf(0)]).toEqual([0x28, 1, 0x32, 2, 0x20, 1, 0x38, 1]);
});

test("a word is dropped if its number, in fp32, is below the rate", () => {
  const numberOf = (word: number): number => Math.fround((word + 0.5) / 2 ** 32);
  for (const rate of [0.1, 0.25, 0.5, 1e-9, 0.999999999]) {
    const first = firstKeptWord(rate);
    expect(numberOf(first - 1)).toBeLessThan(rate);
    expect(numberOf(first)).toBeGreaterThanOrEqual(rate);
  }
});

test("TensorFlow is found in a Python environment, in an unpacked wheel, and nowhere else", () => {
  const make = (folder: string): void => {
    mkdirSync(join(folder, "include/tensorflow/c/eager"), { recursive: true });
    for (const file of [
      ...["include/tensorflow/c/eager/c_api.h", "libtensorflow_cc.so.2"],
      "libtensorflow_framework.so.2",
    ]) {
      writeFileSync(join(folder, file), "");
    }
  };
  make(at("environment/lib/python3.11/site-packages/tensorflow"));
  make(at("wheel/tensorflow"));
  mkdirSync(at("empty"));
  const toolchain = join(__dirname, "../native/toolchain.mjs");
  const ask = (name: "findIn" | "builtFor", folder: string): unknown => {
    const script = `import { ${name} } from ${JSON.stringify(toolchain)};
      console.log(JSON.stringify(${name}(${JSON.stringify(folder)}) ?? null));`;
    return JSON.parse(runNode(["--input-type=module", "-e", script]).stdout);
  };
  const found = (folder: string): unknown => ask("findIn", folder);
  for (const [folder, inside] of [
    ["environment", "environment/lib/python3.11/site-packages/tensorflow"],
    ["wheel", "wheel/tensorflow"],
    ["wheel/tensorflow", "wheel/tensorflow"],
  ] as const) {
    expect(found(at(folder))).toEqual({
      headers: at(`${inside}/include`),
      libraries: [
        at(`${inside}/libtensorflow_cc.so.2`),
        at(`${inside}/libtensorflow_framework.so.2`),
      ],
    });
  }
  expect(found(at("empty"))).toBeNull();

  const headers = at("wheel/tensorflow/include");
  expect(ask("builtFor", headers)).toBe("processors");
  const information = at("wheel/tensorflow/python/platform");
  mkdirSync(information, { recursive: true });
  for (const [text, platform] of [
    [
      "('cuda_version', '12.5.1'), ('is_cuda_build', True), ('is_rocm_build', False)",
      "CUDA 12.5.1",
    ],
    ["('is_cuda_build', False), ('is_rocm_build', True)", "ROCm"],
    ["('is_cuda_build', False), ('is_rocm_build', False)", "processors"],
  ] as const) {
    writeFileSync(join(information, "build_info.py"), `build_info = OrderedDict([${text}])`);
    expect(ask("builtFor", headers)).toBe(platform);
  }
});

test("what keeps it from a GPU is said with what brings it, and that a version has not been tried", () => {
  const on = (built: string, gpus: number, ...present: ("CUDA" | "ROCm")[]) =>
    remarks({ version: "2.21.0", gpus, built }, present);
  expect(on("processors", 0)).toEqual([]);
  expect(on("CUDA 12.5.1", 2, "CUDA")).toEqual([]);
  expect(on("CUDA 12.5.1", 0)).toEqual(["no driver for CUDA is loaded here"]);
  expect(on("CUDA 12.5.1", 0, "CUDA")).toEqual([
    "the driver for CUDA is loaded, and no GPU is seen: pip install 'tensorflow[and-cuda]'",
  ]);
  expect(on("processors", 0, "ROCm")).toEqual([
    "the driver for ROCm is loaded: pip install tensorflow-rocm, and build on that",
  ]);
  expect(remarks({ version: "2.9.1", gpus: 0, built: "processors" }, [])).toEqual([
    "version 2.9.1 has not been tried: 2.18, 2.20, 2.21 have",
  ]);
});

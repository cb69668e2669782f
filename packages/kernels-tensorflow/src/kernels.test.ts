// What needs no TensorFlow: its settings, where it is looked for, and which random words a rate drops.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
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
  const found = (folder: string): unknown => {
    const script = `import { findIn } from ${JSON.stringify(toolchain)};
      console.log(JSON.stringify(findIn(${JSON.stringify(folder)}) ?? null));`;
    return JSON.parse(runNode(["--input-type=module", "-e", script]).stdout);
  };
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
});

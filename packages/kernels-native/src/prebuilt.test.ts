// Which file of a package of binaries a machine loads, and what is said where it can load none.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { levelsFor, thisMachine, type Level, type Machine } from "./machine.js";
import { findPrebuilt } from "./prebuilt.js";

const NAME = "@tessera/kernels-native-linux-x64";
const V3 = ["avx2", "fma", "f16c", "bmi2", "movbe"];
const V4 = [...V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

const scratch = scratchFolder("prebuilt");

/** What a machine finds that has a package of these levels, which asks for glibc 2.34. */
function find(
  levels: readonly Level[],
  { flags = [] as string[], glibc = "2.36" as string | null },
) {
  const folder = scratch("package");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ tessera: { levels, glibc: "2.34" } }),
  );
  for (const level of levels) writeFileSync(join(folder, `tessera-${level}.node`), "");
  const machine: Machine = { platform: "linux", arch: "x64", flags: new Set(flags), glibc };
  const found = findPrebuilt(NAME, machine, (id) => id.replace(NAME, folder));
  return "file" in found ? found.file.slice(folder.length + 1) : found.reason;
}

test("a processor runs the binaries of its level and below", () => {
  expect(levelsFor(new Set())).toEqual(["baseline"]);
  expect(levelsFor(new Set(V3))).toEqual(["v3", "baseline"]);
  expect(levelsFor(new Set(V4))).toEqual(["v4", "v3", "baseline"]);
});

test.each([
  ["baseline", []],
  ["baseline", V4.slice(1)],
  ["v3", V3],
  ["v3", V4.slice(0, -1)],
  ["v4", V4],
])("%s is the best for a processor with %j", (level, flags) => {
  expect(find(["baseline", "v3", "v4"], { flags })).toBe(`tessera-${level}.node`);
});

test("a lower level serves where the best is not in the package", () => {
  expect(find(["baseline", "v3"], { flags: V4 })).toBe("tessera-v3.node");
  expect(find(["v4"], { flags: V3 })).toBe(
    `${NAME} is for processors of level v4, and this one is of none`,
  );
});

test.each(["2.34", "2.35", "2.100", "3.0"])("glibc %s is new enough", (glibc) => {
  expect(find(["baseline"], { glibc })).toBe("tessera-baseline.node");
});

test.each([
  ["2.33", "glibc 2.33"],
  ["2.4", "glibc 2.4"],
  ["1.99", "glibc 1.99"],
  [null, "another C library"],
])("glibc %s is named as too old", (glibc, had) => {
  expect(find(["baseline"], { glibc })).toBe(
    `${NAME} needs glibc 2.34, and this machine has ${had}`,
  );
});

test("a package that is not there is named", () => {
  const missing = () => {
    throw new Error("Cannot find module");
  };
  expect(findPrebuilt(NAME, thisMachine(), missing)).toEqual({
    reason: `it is not built here, and ${NAME} is not installed`,
  });
});

test("this machine is what Node says", () => {
  const { platform, arch, glibc } = thisMachine();
  expect({ platform, arch }).toEqual({ platform: process.platform, arch: process.arch });
  if (platform === "linux") expect(glibc ?? "2.0").toMatch(/^\d+\.\d+$/);
});

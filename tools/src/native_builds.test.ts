// The native addons' build folders: those of a moved clone, or of another compiler, are built again.

import { mkdirSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, runProgram, scratchFolder } from "@tessera/testing";

const COMPILE = join(__dirname, "../../packages/native-addon/dist/index.js");
const scratch = scratchFolder("native-builds");

/** A project of no language, which CMake configures at once: it copies a file. */
const PROJECT = `cmake_minimum_required(VERSION 3.18)
project(small LANGUAGES NONE)
message(STATUS "for \${LEVEL}")
add_custom_target(small ALL COMMAND \${CMAKE_COMMAND} -E copy
                  \${CMAKE_SOURCE_DIR}/source.txt \${CMAKE_BINARY_DIR}/built.txt)
`;

const project = (name: string, text: string): string => {
  const folder = scratch(name);
  mkdirSync(folder);
  writeFileSync(join(folder, "CMakeLists.txt"), PROJECT);
  writeFileSync(join(folder, "source.txt"), text);
  return folder;
};

/** Compiles as the packages do, and returns what came of it. */
function compile(root: string, tools = "one", level = "v3"): string {
  const given = [root, "build/level", { compiler: tools }, { LEVEL: level }];
  const program = `import { compile } from ${JSON.stringify(COMPILE)};
    process.stdout.write(compile(...${JSON.stringify(given)}));`;
  const { status, stdout, stderr } = runNode(["--input-type=module", "-e", program]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toBe(join(root, "build/level"));
  return readFileSync(join(stdout, "built.txt"), "utf8");
}

const hasCMake = runProgram("cmake", ["--version"]).status === 0;
const testWithCMake = hasCMake ? test : test.skip;

testWithCMake("the build folder of a moved clone is built again", () => {
  const before = project("before", "old");
  expect(compile(before)).toBe("old");
  const after = scratch("after");
  renameSync(before, after);
  writeFileSync(join(after, "source.txt"), "new");
  // CMake's own error for such a folder.
  const refused = runProgram("cmake", ["-S", after, "-B", join(after, "build/level")]);
  expect(refused.stderr).toContain("is different than the directory");
  // The old place may be taken by another clone, which is not to be built.
  project("before", "another's");
  expect(compile(after)).toBe("new");
});

testWithCMake(
  "a build folder is kept for the next build, but not for another compiler or level",
  () => {
    const root = project("kept", "text");
    const mark = join(root, "build/level/mark");
    const keeps = (...by: string[]): boolean => {
      mkdirSync(join(root, "build/level"), { recursive: true });
      writeFileSync(mark, "");
      compile(root, ...by);
      return existsSync(mark);
    };
    compile(root);
    expect(keeps()).toBe(true);
    expect(keeps("two")).toBe(false);
    expect(keeps("two")).toBe(true);
    expect(keeps("two", "v4")).toBe(false);
  },
);

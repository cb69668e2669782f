// What the manifests of published packages say of themselves, and what a release adds to them.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import { published, readManifest, ROOT } from "./packed.js";

const scratch = scratchFolder("manifests");

/** All are released together. */
const { version } = readManifest(join(ROOT, "tools"));

/** A release says these, from one place. */
const HOME = ["repository", "homepage", "bugs"];

test.each(published)(
  "$name says what it is, and leaves to releases where it lives",
  ({ folder }) => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as object;
    expect(manifest).toMatchObject({
      version,
      description: expect.stringMatching(/^[A-Z].{20,}[^.]$/),
      keywords: expect.arrayContaining(["tessera", "llm"]),
      license: "Apache-2.0",
      publishConfig: { access: "public" },
      engines: { node: expect.stringMatching(/^>=\d/) },
      files: expect.arrayContaining(["dist"]),
    });
    for (const field of [...HOME, "optionalDependencies"])
      expect(manifest).not.toHaveProperty(field);
  },
);

/** A workspace of `@tessera/random` and of the native engine, as a release leaves it. */
function release(name: string, home: object, prebuilt: Readonly<Record<string, string>>) {
  const workspace = scratch(name);
  const folders = ["packages/random", "packages/kernels-native"];
  for (const folder of folders) {
    mkdirSync(join(workspace, folder), { recursive: true });
    cpSync(join(ROOT, folder, "package.json"), join(workspace, folder, "package.json"));
  }
  writeFileSync(join(workspace, "package.json"), JSON.stringify({ name: "workspace", ...home }));
  const binaries = join(workspace, "prebuilt");
  for (const [platform, version] of Object.entries(prebuilt)) {
    mkdirSync(join(binaries, platform), { recursive: true });
    const manifest = { name: `@tessera/kernels-native-${platform}`, version };
    writeFileSync(join(binaries, platform, "package.json"), JSON.stringify(manifest));
  }
  const options = ["--workspace", workspace, "--prebuilt", binaries];
  const ended = runNode([join(ROOT, "tools/release.mjs"), ...options]);
  const [random, native] = folders.map((folder) => {
    const before = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as object;
    const after = JSON.parse(
      readFileSync(join(workspace, folder, "package.json"), "utf8"),
    ) as object;
    expect(after).toMatchObject(before);
    return Object.fromEntries(Object.entries(after).filter(([field]) => !(field in before)));
  });
  return { status: ended.status, stderr: ended.stderr, random, native };
}

test("a release adds where the project lives, and the binaries that were built", () => {
  expect(release("homeless", {}, {})).toEqual({ status: 0, stderr: "", random: {}, native: {} });
  const url = "git+https://host.example/team/tessera.git";
  const home = { homepage: "https://host.example", bugs: "https://host.example/bugs" };
  const built = { "linux-x64": version, "linux-arm64": version };
  const repository = (directory: string) => ({ type: "git", url, directory });
  expect(release("complete", { ...home, repository: url }, built)).toMatchObject({
    status: 0,
    random: { ...home, repository: repository("packages/random") },
    native: {
      ...home,
      repository: repository("packages/kernels-native"),
      optionalDependencies: {
        "@tessera/kernels-native-linux-x64": version,
        "@tessera/kernels-native-linux-arm64": version,
      },
    },
  });
});

test("binaries of another version are refused", () => {
  const { status, stderr } = release("stale", {}, { "linux-x64": "0.0.1" });
  expect(status).toBe(1);
  expect(stderr).toContain("@tessera/kernels-native-linux-x64 is 0.0.1, @tessera/kernels-native");
});

import { mkdtempSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { install } from "./compile.js";

test("a built addon takes its place at once, and leaves nothing beside it", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-native-addon-"));
  try {
    const built = join(folder, "built.node");
    const target = join(folder, "package/build/addon.node");
    for (const version of ["first", "second"]) {
      writeFileSync(built, version);
      install(built, target);
      expect(readFileSync(target, "utf8")).toBe(version);
    }
    expect(readdirSync(join(folder, "package/build"))).toEqual(["addon.node"]);
    expect(existsSync(built)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// Builds the addon into dist/native/, where src/addon.ts looks for it. A machine that cannot build
// it gets one line that says so, and a package that works without: apps fall back to wasm.

import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { addonHeaders, compile, install } from "@tessera/native-addon";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Compiles for this machine in a folder of `build`, and returns the path of the addon. */
export function compileAddon(name, tools, definitions = {}) {
  const all = { TESSERA_LEVEL: tools.level, ...addonHeaders(), ...definitions };
  return path.join(compile(root, path.join("build", name), tools, all), "tessera.node");
}

function build() {
  const tools = toolchain();
  const { missing, level } = tools;
  if (existsSync(path.join(root, "prebuilds", `${process.platform}-${process.arch}`))) return;
  if (missing.length > 0) {
    process.stdout.write(
      `kernels-native: not built; run: apt-get install -y ${missing.join(" ")} && npm run build\n`,
    );
    return;
  }
  install(compileAddon(level, tools), path.join(root, "dist", "native", `tessera-${level}.node`));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) build();

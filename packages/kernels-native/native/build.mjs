// Builds the addon into dist/native/, where src/addon.ts looks for it. A machine that cannot build
// it gets one line that says so, and a package that works without: apps fall back to wasm.

import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { addonHeaders, compile, install } from "@tessera/native-addon";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Compiles in a folder of `build`, and returns the path of the addon. `dnnl` is the oneDNN that will lie beside it.
 * Default: the system's.
 */
export function compileAddon(name, tools, definitions = {}, dnnl = "") {
  const all = { TESSERA_LEVEL: tools.level, ...addonHeaders(), ...definitions };
  const folder = compile(root, path.join("build", name), tools, all, { TESSERA_DNNL: dnnl });
  return path.join(folder, "tessera.node");
}

function build() {
  const tools = toolchain();
  const { missing, level } = tools;
  if (missing.length > 0) {
    process.stdout.write(
      `native engine: not built, for want of ${missing.join(", ")}; on Debian: apt-get install -y ${missing.join(" ")}, ` +
        "and then npx tessera build-engines\n",
    );
    if (process.argv.includes("--required")) process.exitCode = 1;
    return;
  }
  install(compileAddon(level, tools), path.join(root, "dist", "native", `tessera-${level}.node`));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) build();

// Builds the addon into dist/native/, where src/addon.ts looks for it. A machine that cannot build
// it gets one line that says so, and a package that works without: apps fall back to wasm.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
}

/** Compiles into `folder` and returns the path of the addon. */
export function compile(folder, level, options = []) {
  run("cmake", [
    "-S",
    root,
    "-B",
    folder,
    `-DTESSERA_LEVEL=${level}`,
    `-DNODE_API_HEADERS=${require("node-api-headers").include_dir}`,
    `-DNODE_ADDON_API=${path.dirname(require.resolve("node-addon-api/package.json"))}`,
    ...options,
  ]);
  run("cmake", ["--build", folder, "--parallel", "2"]);
  return path.join(folder, "tessera.node");
}

function build() {
  const { missing, level } = toolchain();
  if (existsSync(path.join(root, "prebuilds", `${process.platform}-${process.arch}`))) return;
  if (missing.length > 0) {
    process.stdout.write(
      `kernels-native: not built; run: apt-get install -y ${missing.join(" ")} && npm run build\n`,
    );
    return;
  }
  const built = compile(path.join(root, "build", level), level);
  const target = path.join(root, "dist", "native");
  mkdirSync(target, { recursive: true });
  copyFileSync(built, path.join(target, `tessera-${level}.node`));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) build();

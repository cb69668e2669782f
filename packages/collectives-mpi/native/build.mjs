// Builds the addon into dist/native/, where src/addon.ts looks for it. A machine without MPI gets one
// line that says so, and a package with which jobs of one process run.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);
const run = (args) =>
  execFileSync("cmake", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });

const tools = toolchain();
const { wrapper, missing } = tools;
if (missing.length > 0) {
  process.stdout.write(
    `collectives-mpi: not built; run: apt-get install -y ${missing.join(" ")} && npm run build\n`,
  );
} else {
  // CMake remembers what it found; what another compiler or folder found is of no use here.
  const digest = createHash("sha256").update(JSON.stringify([root, tools]));
  const folder = path.join(root, "build", digest.digest("hex").slice(0, 8));
  run([
    "-S",
    root,
    "-B",
    folder,
    `-DMPI_CXX_COMPILER=${wrapper}`,
    `-DNODE_API_HEADERS=${require("node-api-headers").include_dir}`,
    `-DNODE_ADDON_API=${path.dirname(require.resolve("node-addon-api/package.json"))}`,
  ]);
  run(["--build", folder, "--parallel", "2"]);
  mkdirSync(path.join(root, "dist", "native"), { recursive: true });
  // Renamed into its place, for running processes have the old one mapped.
  const built = path.join(root, "dist", "native", "tessera_mpi.node");
  copyFileSync(path.join(folder, "tessera_mpi.node"), `${built}.new`);
  renameSync(`${built}.new`, built);
}

// Builds the addon into dist/native/, where src/addon.ts looks for it. A machine without MPI gets one
// line that says so, and a package with which jobs of one process run.

import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { addonHeaders, compile, install } from "@tessera/native-addon";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = toolchain();
const { wrapper, missing } = tools;
if (missing.length > 0) {
  process.stdout.write(
    `MPI engine: not built, for want of ${missing.join(", ")}; on Debian: apt-get install -y ${missing.join(" ")}, ` +
      "and then npx tessera build-engines\n",
  );
  if (process.argv.includes("--required")) process.exitCode = 1;
} else {
  const built = compile(root, path.join("build", "mpi"), tools, {
    MPI_CXX_COMPILER: wrapper,
    ...addonHeaders(),
  });
  for (const name of ["tessera_mpi.node", "tessera_loopback.so"]) {
    const file = path.join(built, name);
    if (existsSync(file)) install(file, path.join(root, "dist", "native", name));
  }
}

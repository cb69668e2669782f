// Builds the addon into dist/native/, where src/addon.ts looks for it. A machine without MPI gets one
// line that says so, and a package with which jobs of one process run.

import path from "node:path";
import { fileURLToPath } from "node:url";
import { addonHeaders, compile, install } from "@tessera/native-addon";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = toolchain();
const { wrapper, missing } = tools;
if (missing.length > 0) {
  process.stdout.write(
    `collectives-mpi: not built; run: apt-get install -y ${missing.join(" ")} && npm run build\n`,
  );
} else {
  const built = compile(root, path.join("build", "mpi"), tools, {
    MPI_CXX_COMPILER: wrapper,
    ...addonHeaders(),
  });
  const target = path.join(root, "dist", "native", "tessera_mpi.node");
  install(path.join(built, "tessera_mpi.node"), target);
}

// Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer and runs the kernel tests on
// it. A wrong access ends the run with its report.

import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compileAddon } from "./build.mjs";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = toolchain();
if (tools.missing.length > 0) throw new Error(`sanitize needs ${tools.missing.join(", ")}`);

const addon = compileAddon("sanitize", tools, { TESSERA_SANITIZE: "ON" });
// Node is not built with the sanitizer, so its library has to come first.
const library = execFileSync(process.env.CXX ?? "c++", ["-print-file-name=libasan.so"]);
const jest = path.join(root, "..", "..", "node_modules", "jest", "bin", "jest.js");
const config = path.join(root, "..", "..", "jest.config.mjs");
const args = [jest, "--config", config, "--rootDir", root, "--runInBand", "kernels.test.ts"];
const { status } = spawnSync(process.execPath, args, {
  stdio: "inherit",
  env: {
    ...process.env,
    TESSERA_ADDON: addon,
    LD_PRELOAD: library.toString().trim(),
    // V8 keeps memory on purpose; what tensors hold is counted by the memory tests.
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
  },
});
process.exitCode = status ?? 1;

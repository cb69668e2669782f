// Formats the C++ of all packages by .clang-format. With --check it changes nothing, and fails where a file is
// not formatted.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const sources = readdirSync(join(ROOT, "packages"))
  .map((name) => join(ROOT, "packages", name, "native"))
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((file) => /\.(cc|h)$/.test(file));
const mode = process.argv.includes("--check") ? ["--dry-run", "--Werror"] : ["-i"];
const script = createRequire(import.meta.url).resolve("clang-format");
const { status } = spawnSync(process.execPath, [script, ...mode, ...sources], { stdio: "inherit" });
process.exitCode = status ?? 1;

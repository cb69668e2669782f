// What this machine can build the addon with, and for which instruction set. Run by itself it
// prints one line that changes when a build would come out differently.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const INCLUDES = ["/usr/include", "/usr/local/include", "/opt/homebrew/include"];

/**
 * The first line that `command --version` prints, or null where there is no such command.
 * @param {string} command
 */
function version(command) {
  try {
    return execFileSync(command, ["--version"], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .split("\n", 1)[0];
  } catch {
    return null;
  }
}

/** The x86-64 level of this processor, by the flags of /proc/cpuinfo; "baseline" elsewhere. */
export function cpuLevel(cpuinfo = "/proc/cpuinfo") {
  if (process.arch !== "x64" || !existsSync(cpuinfo)) return "baseline";
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync(cpuinfo, "utf8"))?.[1]?.split(" "));
  /** @param {string[]} names */
  const has = (...names) => names.every((name) => flags.has(name));
  if (!has("avx2", "fma", "f16c", "bmi2", "movbe")) return "baseline";
  return has("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl") ? "v4" : "v3";
}

/** `missing` names what has to be installed before the addon can be built. */
export function toolchain(env = process.env) {
  const compiler = version(env["CXX"] ?? "c++");
  const cmake = version("cmake");
  const includes = [...(env["CPATH"]?.split(":") ?? []), ...INCLUDES];
  const dnnl = includes.find((directory) => existsSync(`${directory}/dnnl.hpp`)) ?? null;
  const missing = [
    ...(compiler === null ? ["g++"] : []),
    ...(cmake === null ? ["cmake", "make"] : []),
    ...(dnnl === null ? ["libdnnl-dev"] : []),
  ];
  return { compiler, cmake, dnnl, level: cpuLevel(), missing };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.stdout.write(`${JSON.stringify(toolchain())}\n`);
}

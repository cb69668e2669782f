// What this machine can build the addon with. Run by itself it prints one line that changes when a
// build would come out differently.

import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";

/**
 * The first line of what a command prints, or null where there is no such command.
 * @param {string} command
 * @param {string[]} args
 */
function ask(command, ...args) {
  try {
    return execFileSync(command, args, { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .split("\n", 1)[0];
  } catch {
    return null;
  }
}

/** The site's wrapper around its compiler: MPICXX, or mpicxx, or Cray's CC. */
export function toolchain(env = process.env) {
  const wrapper = (env["MPICXX"] ? [env["MPICXX"]] : ["mpicxx", "CC"]).find((name) =>
    ask(name, "--version"),
  );
  const cmake = ask("cmake", "--version");
  const missing = [
    ...(wrapper === undefined ? ["g++", "libopenmpi-dev", "openmpi-bin"] : []),
    ...(cmake === null ? ["cmake", "make"] : []),
  ];
  const flags = wrapper === undefined ? null : ask(wrapper, "-show");
  return { wrapper: wrapper ?? null, flags, cmake, missing };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.stdout.write(`${JSON.stringify(toolchain())}\n`);
}

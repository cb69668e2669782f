// tessera doctor: what this machine has, and the one command for each thing that is missing.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { isAvailable as isMpiBuilt } from "@tessera/collectives-mpi";
import { EXIT, parseFlags } from "@tessera/config";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import type { Command } from "./command.js";

interface Finding {
  readonly what: string;
  /** What there is; null where it is missing. */
  readonly found: string | null;
  /** The command that mends it. */
  readonly remedy: string;
}

/** The first line that a command prints, or null where there is none. */
function ask(command: string, ...args: string[]): string | null {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: 10_000 });
  return status === 0 ? (stdout.split("\n", 1)[0] ?? null) : null;
}

/** Slurm's commands tell nothing, not even their version, where no cluster is configured. */
function slurm(): string | null {
  const { error, status, stdout } = spawnSync("srun", ["--version"], { encoding: "utf8" });
  if (error !== undefined) return null;
  return status === 0 ? stdout.trim() : "installed, but no cluster is configured";
}

function processor(): string {
  const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  const flags = new Set(/^flags\s*:(.*)$/m.exec(info)?.[1]?.split(" "));
  const known = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"].filter((flag) => flags.has(flag));
  return `${availableParallelism()} processors${known.length === 0 ? "" : `, ${known.join(", ")}`}`;
}

function gpus(): string | null {
  const nvidia = existsSync("/proc/driver/nvidia/gpus")
    ? readdirSync("/proc/driver/nvidia/gpus").length
    : 0;
  if (nvidia > 0) return `${nvidia} of NVIDIA`;
  return existsSync("/dev/kfd") ? "AMD (ROCm)" : null;
}

const findings = (): readonly Finding[] => [
  { what: "processor", found: processor(), remedy: "" },
  {
    what: "native engine",
    found: isNativeBuilt() ? "built" : null,
    remedy: "apt-get install -y g++ cmake make libdnnl-dev && npm run setup",
  },
  {
    what: "MPI",
    found: ask("mpirun", "--version"),
    remedy: "apt-get install -y openmpi-bin libopenmpi-dev",
  },
  { what: "MPI engine", found: isMpiBuilt() ? "built" : null, remedy: "npm run setup" },
  {
    what: "Slurm",
    found: slurm(),
    remedy: "apt-get install -y slurm-wlm munge (only to run jobs here)",
  },
  // None is needed: training runs on processors.
  { what: "GPUs", found: gpus() ?? "none", remedy: "" },
];

export const doctor: Command = {
  name: "doctor",
  summary: "what this machine has, and what to install",
  run(argv) {
    const summary = "Prints what this machine has, and the command for each thing that is missing.";
    const parsed = parseFlags({ name: "tessera doctor", summary, groups: {} }, argv);
    if ("help" in parsed) {
      process.stdout.write(parsed.help);
      return EXIT.done;
    }
    for (const { what, found, remedy } of findings()) {
      process.stdout.write(`${what.padEnd(14)} ${found ?? `missing: ${remedy}`}\n`);
    }
    return EXIT.done;
  },
};

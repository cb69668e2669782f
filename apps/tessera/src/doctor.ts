// tessera doctor: what this machine has, and the one command for each thing that is missing.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { surveyMpi } from "@tessera/collectives-mpi";
import { EXIT, UserError } from "@tessera/config";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import { commandOf } from "./command.js";

interface Finding {
  readonly what: string;
  /** What there is; null where it is missing. */
  readonly found: string | null;
  /** The command that brings it, and what goes without it. */
  readonly remedy: string;
  readonly otherwise: string;
}

const there = (what: string, found: string): Finding => ({
  what,
  found,
  remedy: "",
  otherwise: "",
});

/** What the command `name --version` says first, `silent` where it fails, null where there is none. */
function versionOf(name: string, silent: string): string | null {
  const { error, status, stdout } = spawnSync(name, ["--version"], {
    encoding: "utf8",
    timeout: 10_000,
  });
  if (error !== undefined) return null;
  return status === 0 ? (stdout.split("\n", 1)[0] ?? "") : silent;
}

/** The engine of jobs with several ranks; MPI itself says what it lets threads do. */
function mpiEngine(): string | null {
  try {
    const mpi = surveyMpi();
    return mpi && `built, on ${mpi.library}, thread level ${mpi.threadLevel}`;
  } catch (error) {
    if (error instanceof UserError) return `built, but ${error.message}`;
    throw error;
  }
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
  there("processor", processor()),
  {
    what: "native engine",
    found: isNativeBuilt() ? "built" : null,
    remedy: "apt-get install -y g++ cmake make libdnnl-dev && npm run setup",
    otherwise: "the slower wasm backend computes",
  },
  {
    what: "MPI",
    found: versionOf("mpirun", "mpirun is installed, but does not say its version"),
    remedy: "apt-get install -y openmpi-bin libopenmpi-dev",
    otherwise: "tessera launch has nothing to start ranks with",
  },
  {
    what: "MPI engine",
    found: mpiEngine(),
    remedy: "npm run setup",
    otherwise: "jobs are of one process",
  },
  {
    what: "Slurm",
    // Its commands tell nothing, not even their version, before they know a cluster.
    found: versionOf("srun", "installed, but no cluster is configured"),
    remedy: "apt-get install -y slurm-wlm munge",
    otherwise: "jobs go to clusters from elsewhere, and tests on one are skipped",
  },
  // None is needed: training runs on processors.
  there("GPUs", gpus() ?? "none"),
];

function lineOf({ what, found, remedy, otherwise }: Finding): string {
  const label = what.padEnd(15);
  if (found !== null) return `${label}${found}\n`;
  return `${label}missing: ${otherwise}\n${" ".repeat(15)}to have it: ${remedy}\n`;
}

const program = {
  name: "tessera doctor",
  summary: "Tells what this machine has, and the command for each thing that is missing.",
  groups: {},
} as const;

export const doctor = commandOf(program, () => {
  for (const finding of findings()) process.stdout.write(lineOf(finding));
  return EXIT.done;
});

// tessera doctor: what this machine has, and the command that installs each thing that is missing.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { surveyMpi } from "@tessera/collectives-mpi";
import { EXIT, UserError } from "@tessera/config";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import { defineCommand } from "./command.js";

interface Finding {
  readonly what: string;
  /** Null where it is missing. */
  readonly found: string | null;
  /** The command that installs it, and what happens without it. */
  readonly remedy: string;
  readonly otherwise: string;
}

const present = (what: string, found: string): Finding => ({
  what,
  found,
  remedy: "",
  otherwise: "",
});

/** The first line of `name --version`, `otherwise` where it fails, null where there is no such command. */
function readVersion(name: string, otherwise: string): string | null {
  const { error, status, stdout } = spawnSync(name, ["--version"], {
    encoding: "utf8",
    timeout: 10_000,
  });
  if (error !== undefined) return null;
  return status === 0 ? (stdout.split("\n", 1)[0] ?? "") : otherwise;
}

/** The engine of jobs with several ranks, with MPI's thread level. */
function describeMpiEngine(): string | null {
  try {
    const mpi = surveyMpi();
    return mpi && `built, on ${mpi.library}, thread level ${mpi.threadLevel}`;
  } catch (error) {
    if (error instanceof UserError) return `built, but ${error.message}`;
    throw error;
  }
}

function describeProcessor(): string {
  const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  const flags = new Set(/^flags\s*:(.*)$/m.exec(info)?.[1]?.split(" "));
  const known = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"].filter((flag) => flags.has(flag));
  return `${availableParallelism()} processors${known.length === 0 ? "" : `, ${known.join(", ")}`}`;
}

function describeGpus(): string | null {
  const nvidia = existsSync("/proc/driver/nvidia/gpus")
    ? readdirSync("/proc/driver/nvidia/gpus").length
    : 0;
  if (nvidia > 0) return `${nvidia} of NVIDIA`;
  return existsSync("/dev/kfd") ? "AMD (ROCm)" : null;
}

const inspect = (): readonly Finding[] => [
  present("processor", describeProcessor()),
  {
    what: "native engine",
    found: isNativeBuilt() ? "built" : null,
    remedy: "apt-get install -y g++ cmake make libdnnl-dev && npm run setup",
    otherwise: "the slower wasm backend computes",
  },
  {
    what: "MPI",
    found: readVersion("mpirun", "mpirun is installed, but does not say its version"),
    remedy: "apt-get install -y openmpi-bin libopenmpi-dev",
    otherwise: "tessera launch has nothing to start ranks with",
  },
  {
    what: "MPI engine",
    found: describeMpiEngine(),
    remedy: "npm run setup",
    otherwise: "jobs are of one process",
  },
  {
    what: "Slurm",
    // Without a configured cluster its commands do not even print their version.
    found: readVersion("srun", "installed, but no cluster is configured"),
    remedy: "apt-get install -y slurm-wlm munge",
    otherwise: "jobs go to clusters from elsewhere, and tests on one are skipped",
  },
  // None is needed: training runs on processors.
  present("GPUs", describeGpus() ?? "none"),
];

function format({ what, found, remedy, otherwise }: Finding): string {
  const label = what.padEnd(15);
  if (found !== null) return `${label}${found}\n`;
  return `${label}missing: ${otherwise}\n${" ".repeat(15)}to have it: ${remedy}\n`;
}

const program = {
  name: "tessera doctor",
  summary: "Shows what this machine has, and the command for each thing that is missing.",
  groups: {},
} as const;

export const doctor = defineCommand(program, () => {
  for (const finding of inspect()) process.stdout.write(format(finding));
  return EXIT.done;
});

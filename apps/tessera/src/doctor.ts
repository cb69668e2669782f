// tessera doctor: what this machine has, and the command that installs each thing that is missing.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, freemem, totalmem } from "node:os";
import { surveyMpi } from "@tessera/collectives-mpi";
import { EXIT, UserError, type Flag } from "@tessera/config";
import { measureLimits, whyUnavailable } from "@tessera/kernels-native";
import {
  describeTensorFlow,
  whyUnavailable as whyTensorFlowIsNot,
} from "@tessera/kernels-tensorflow";
import { findGpus } from "@tessera/launcher";
import { defineCommand } from "./command.js";

/** What may be missing, by the words of `--require`. */
const needs = ["native", "mpi", "mpi-engine", "tensorflow", "slurm", "onnx"] as const;
type Need = (typeof needs)[number];

interface Finding {
  readonly what: string;
  /** Its word for `--require`; undefined for what is always there. */
  readonly need?: Need;
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
  const processors = `${availableParallelism()} processors`;
  return [processors, ...known, ...describeLimits()].join(", ");
}

/** What bare loops do on all of them. */
function describeLimits(): string[] {
  const limits = measureLimits(process.env);
  if (limits === null) return [];
  const { fp32, bf16, bandwidth } = limits;
  const giga = (value: number): string => (value / 1e9).toFixed(0);
  const inBf16 = bf16 === 0 ? "" : ` and ${giga(bf16)} in bf16`;
  return [`${giga(fp32)} GFLOP/s in fp32${inBf16}`, `${giga(bandwidth)} GB/s of memory`];
}

function describeGpus(): string {
  const gpus = findGpus();
  return gpus === null ? "none" : `${gpus.count} of ${gpus.maker}`;
}

/** The version of onnxruntime-node, which @tessera/generation finds as this module does. */
function readOnnxVersion(): string | null {
  try {
    const require = createRequire(import.meta.url);
    return (require("onnxruntime-node/package.json") as { version: string }).version;
  } catch {
    return null;
  }
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

function describeDisk(): string {
  const { bavail, bsize } = statfsSync(".");
  return `${gigabytes(bavail * bsize)} free in ${process.cwd()}`;
}

function findNativeEngine(): Finding {
  const missing = whyUnavailable();
  return {
    what: "native engine",
    need: "native",
    found: missing === null ? "loads" : null,
    remedy: "apt-get install -y g++ cmake make libdnnl-dev && npx tessera build-engines",
    otherwise: `${missing ?? ""}: the slower wasm backend computes`,
  };
}

function findTensorFlow(): Finding {
  const facts = describeTensorFlow();
  const device =
    facts && (facts.gpus === 0 ? "on processors: it sees no GPU" : `on ${facts.gpus} GPUs`);
  const xla = facts?.compiles === false ? ", without XLA" : "";
  return {
    what: "TensorFlow",
    need: "tensorflow",
    found:
      facts &&
      [`${facts.version}, built for ${facts.builtFor}, ${device}${xla}`, ...facts.remarks].join(
        "; ",
      ),
    remedy:
      "python3 -m venv tf && tf/bin/pip install tensorflow-cpu && npx tessera build-engines --tensorflow tf",
    otherwise: `${whyTensorFlowIsNot() ?? ""}: --backend tensorflow, and GPUs, are not to be had`,
  };
}

const inspect = (): readonly Finding[] => [
  present("Node", `${process.version}, ${process.platform} ${process.arch}`),
  present("processor", describeProcessor()),
  present("memory", `${gigabytes(totalmem())}, ${gigabytes(freemem())} free`),
  present("disk", describeDisk()),
  present("GPUs", `${describeGpus()}; TensorFlow alone computes on them`),
  findNativeEngine(),
  {
    what: "MPI",
    need: "mpi",
    found: readVersion("mpirun", "mpirun is installed, but does not say its version"),
    remedy: "apt-get install -y openmpi-bin libopenmpi-dev",
    otherwise: "tessera launch has nothing to start ranks with",
  },
  {
    what: "MPI engine",
    need: "mpi-engine",
    found: describeMpiEngine(),
    remedy: "apt-get install -y openmpi-bin libopenmpi-dev cmake make && npx tessera build-engines",
    otherwise: "jobs are of one process",
  },
  findTensorFlow(),
  {
    what: "Slurm",
    need: "slurm",
    // Without a configured cluster its commands do not even print their version.
    found: readVersion("srun", "installed, but no cluster is configured"),
    remedy: "apt-get install -y slurm-wlm munge",
    otherwise: "jobs go to clusters from elsewhere, and tests on one are skipped",
  },
  {
    what: "ONNX Runtime",
    need: "onnx",
    found: readOnnxVersion(),
    remedy: "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node",
    otherwise: "ONNX models are written, but not run",
  },
];

function format({ what, found, remedy, otherwise }: Finding): string {
  const label = what.padEnd(15);
  if (found !== null) return `${label}${found}\n`;
  return `${label}missing: ${otherwise}\n${" ".repeat(15)}to have it: ${remedy}\n`;
}

const required: Flag<readonly Need[]> = {
  help: "end with code 1 where one of these is missing",
  placeholder: "NAME",
  fallback: [],
  valueOptional: false,
  many: true,
  choices: needs,
  parse: (words) =>
    words.map((word) => {
      const need = needs.find((one) => one === word);
      if (need !== undefined) return need;
      throw new UserError(`must be of ${needs.join(", ")}`);
    }),
};

const program = {
  name: "tessera doctor",
  summary: "Shows what this machine has, and the command for each thing that is missing.",
  epilogue:
    "Training in one process needs none of what may be missing, so the code is 0 all the same, but for --require.\n" +
    "Example: tessera doctor --require native mpi-engine",
  groups: { Checks: { require: required } },
} as const;

export const doctor = defineCommand(program, ({ values }) => {
  const findings = inspect();
  for (const finding of findings) process.stdout.write(format(finding));
  const missing = findings
    .filter(
      ({ need, found }) => found === null && need !== undefined && values.require.includes(need),
    )
    .map(({ what }) => what);
  if (missing.length === 0) return EXIT.done;
  process.stderr.write(`tessera doctor: ${missing.join(", ")}: required, but missing\n`);
  return EXIT.failed;
});

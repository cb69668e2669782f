// A Slurm job script, as text. Whatever a user gave is quoted, so that the shell reads it as data.

import { UserError } from "@tessera/config";
import type { Site } from "./sites.js";

export interface JobRequest {
  readonly site: Site;
  readonly name: string;
  readonly nodes: number;
  readonly ranksPerNode?: number;
  readonly gpusPerNode?: number;
  readonly cpusPerRank?: number;
  /** As Slurm writes it: `2:00:00`. */
  readonly time: string;
  readonly account?: string;
  readonly partition?: string;
  readonly modules?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the job's output goes. */
  readonly logFolder: string;
  /** Seconds before the time limit at which the ranks are told to save; 0 for never. */
  readonly warningSeconds: number;
  /** The program and its arguments. */
  readonly program: readonly string[];
}

/** One word of a shell command, whatever it has in it. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The script; a UserError where a value could not stand in it. */
export function jobScript(request: JobRequest): string {
  refuse(request);
  const { site, program } = request;
  const cpus = request.cpusPerRank ?? site.cpusPerRank;
  const lines = [
    "#!/bin/bash",
    ...directives(request).map((directive) => `#SBATCH ${directive}`),
    "",
    "set -eu",
    "",
    ...environmentLines(request),
    // What srun gives each task does not follow from the job since Slurm 22.05.
    ...(cpus === null ? [] : [`export SRUN_CPUS_PER_TASK=${cpus} OMP_NUM_THREADS=${cpus}`, ""]),
    ...(request.warningSeconds === 0
      ? [`srun ${srunArguments(request)} ${program.map(quoted).join(" ")}`]
      : requeueing(request)),
  ];
  return `${lines.join("\n")}\n`;
}

function directives(request: JobRequest): string[] {
  const { site, nodes, warningSeconds } = request;
  const gpus = request.gpusPerNode ?? site.gpusPerNode;
  const cpus = request.cpusPerRank ?? site.cpusPerRank;
  const log = `${request.logFolder}/%x-%j.log`;
  return [
    `--job-name=${request.name}`,
    `--nodes=${nodes}`,
    `--ntasks-per-node=${request.ranksPerNode ?? site.ranksPerNode}`,
    ...(cpus === null ? [] : [`--cpus-per-task=${cpus}`]),
    ...(gpus === 0 ? [] : [`--gpus-per-node=${gpus}`]),
    `--time=${request.time}`,
    ...(request.account === undefined ? [] : [`--account=${request.account}`]),
    ...(request.partition === undefined ? [] : [`--partition=${request.partition}`]),
    `--output=${log}`,
    "--open-mode=append",
    ...(warningSeconds === 0 ? [] : ["--requeue", `--signal=B:USR1@${warningSeconds}`]),
    ...site.directives,
  ];
}

function environmentLines({ site, modules = [], environment = {} }: JobRequest): string[] {
  const all = [...site.modules, ...modules];
  const variables = Object.entries({ ...site.environment, ...environment });
  return [
    ...all.map((name) => `module load ${quoted(name)}`),
    ...variables.map(([name, value]) => `export ${name}=${quoted(value)}`),
    ...(all.length + variables.length === 0 ? [] : [""]),
  ];
}

const srunArguments = ({ site }: JobRequest): string =>
  // A rank that ends badly ends them all, at once.
  ["--kill-on-bad-exit=1", "--label", ...site.srun].join(" ");

/** Before the time limit the ranks are told to save; those that end well go back into the queue. */
function requeueing(request: JobRequest): string[] {
  return [
    "warned=no",
    // To the steps alone: srun takes a signal to itself as the wish to end at once.
    `trap 'warned=yes; scancel --signal=TERM "$SLURM_JOB_ID"' USR1`,
    `srun ${srunArguments(request)} ${request.program.map(quoted).join(" ")} &`,
    "code=0",
    "wait $! || code=$?",
    'if [ "$warned" = yes ]; then',
    "  code=0",
    "  wait $! || code=$?",
    '  [ "$code" != 0 ] || scontrol requeue "$SLURM_JOB_ID"',
    "fi",
    'exit "$code"',
  ];
}

function refuse({ site, ...request }: JobRequest): void {
  if (site.requiresAccount && request.account === undefined) {
    throw new UserError(`--account: ${site.name} charges each job to a project; say which one`);
  }
  if (!/^(\d+-)?\d{1,3}(:\d{2}){0,2}$/.test(request.time)) {
    throw new UserError(
      `--time ${request.time}: must read as Slurm has it, 30 or 2:00:00 or 1-12:00`,
    );
  }
  const words = {
    "job-name": request.name,
    account: request.account,
    partition: request.partition,
  };
  for (const [flag, word] of Object.entries(words)) {
    if (word === undefined || /^[\w.-]+$/.test(word)) continue;
    throw new UserError(`--${flag} ${word}: must be letters, digits, dots and dashes`);
  }
  if (!/^[\w@%+=:,./-]+$/.test(request.logFolder)) {
    throw new UserError(`--log-folder ${request.logFolder}: must be a path without spaces`);
  }
  const names = Object.keys(request.environment ?? {});
  const wrong = names.find((name) => !/^[A-Za-z_]\w*$/.test(name));
  if (wrong !== undefined) throw new UserError(`--env ${wrong}: is no name of a variable`);
  if (request.program.length === 0) {
    throw new UserError("tessera sbatch needs a program after --, as in: -- node app.js");
  }
}

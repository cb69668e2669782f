// A Slurm job script, as text. Whatever a user gives is quoted, so that the shell reads it as data.

import { UserError } from "@tessera/config";
import type { Cluster, NodeUse } from "./clusters/cluster.js";

/** A job to write a script for. */
export interface JobRequest {
  readonly cluster: Cluster;
  readonly name: string;
  readonly nodes: number;
  /** Default: one on each GPU, or where there is none, the cluster's. */
  readonly ranksPerNode?: number;
  /** Default: 0. */
  readonly gpusPerNode?: number;
  /** Default: the cluster's. */
  readonly cpusPerRank?: number;
  /** As Slurm writes it: `2:00:00`. */
  readonly time: string;
  readonly account?: string;
  readonly partition?: string;
  /** Beside the cluster's. */
  readonly modules?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the job's output goes. */
  readonly logFolder: string;
  /** Seconds before the time limit at which the ranks are told to save; 0 for never. */
  readonly warningSeconds: number;
  /** The program and its arguments. */
  readonly program: readonly string[];
  /** A program that must succeed before the ranks start, on the job's first node. Default: none. */
  readonly check?: readonly string[];
}

/** `word` as one word of a shell command. */
export const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/**
 * The text of the script.
 * @throws UserError where a value could not stand in it.
 */
export function formatJobScript(request: JobRequest): string {
  checkRequest(request);
  const { program, check } = request;
  const cpus = request.cpusPerRank ?? useOf(request).cpusPerRank;
  const lines = [
    "#!/bin/bash",
    ...directives(request).map((directive) => `#SBATCH ${directive}`),
    "",
    "set -eu",
    "",
    ...environmentLines(request),
    // What srun gives each task does not follow from the job since Slurm 22.05.
    ...(cpus === null ? [] : [`export SRUN_CPUS_PER_TASK=${cpus} OMP_NUM_THREADS=${cpus}`, ""]),
    ...(check === undefined ? [] : [check.map(quote).join(" "), ""]),
    ...(request.warningSeconds === 0
      ? [`srun ${srunArguments(request)} ${program.map(quote).join(" ")}`]
      : requeueLines(request)),
  ];
  return `${lines.join("\n")}\n`;
}

const useOf = ({ cluster, gpusPerNode = 0 }: JobRequest): NodeUse =>
  gpusPerNode === 0 ? cluster.processors : cluster.gpus;

function directives(request: JobRequest): string[] {
  const { nodes, warningSeconds, gpusPerNode = 0 } = request;
  const use = useOf(request);
  const cpus = request.cpusPerRank ?? use.cpusPerRank;
  const ranks = request.ranksPerNode ?? (gpusPerNode || use.ranksPerNode);
  const log = `${request.logFolder}/%x-%j.log`;
  return [
    `--job-name=${request.name}`,
    `--nodes=${nodes}`,
    `--ntasks-per-node=${ranks}`,
    ...(cpus === null ? [] : [`--cpus-per-task=${cpus}`]),
    ...(gpusPerNode === 0 ? [] : [`--gpus-per-node=${gpusPerNode}`]),
    `--time=${request.time}`,
    ...(request.account === undefined ? [] : [`--account=${request.account}`]),
    ...(request.partition === undefined ? [] : [`--partition=${request.partition}`]),
    `--output=${log}`,
    "--open-mode=append",
    ...(warningSeconds === 0 ? [] : ["--requeue", `--signal=B:USR1@${warningSeconds}`]),
    ...use.directives,
  ];
}

function environmentLines(request: JobRequest): string[] {
  const use = useOf(request);
  const all = [...use.modules, ...(request.modules ?? [])];
  const variables = Object.entries({ ...use.environment, ...request.environment });
  return [
    ...all.map((name) => `module load ${quote(name)}`),
    ...variables.map(([name, value]) => `export ${name}=${quote(value)}`),
    ...(all.length + variables.length === 0 ? [] : [""]),
  ];
}

const srunArguments = (request: JobRequest): string =>
  // A rank that ends badly ends them all, at once.
  ["--kill-on-bad-exit=1", "--label", ...useOf(request).srun].join(" ");

/** Before the time limit the ranks are told to save; those that end well go back into the queue. */
function requeueLines(request: JobRequest): string[] {
  return [
    "warned=no",
    // To the steps alone: srun takes a signal to itself as the wish to end at once.
    `trap 'warned=yes; scancel --signal=TERM "$SLURM_JOB_ID"' USR1`,
    `srun ${srunArguments(request)} ${request.program.map(quote).join(" ")} &`,
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

function checkRequest({ cluster, ...request }: JobRequest): void {
  if (cluster.requiresAccount && request.account === undefined) {
    throw new UserError(`--account: ${cluster.name} charges each job to a project; say which one`);
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

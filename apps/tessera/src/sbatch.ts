// tessera sbatch: writes the job script that runs a program on a cluster.

import { realpathSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { choice, EXIT, list, number, text, UserError, type FlagValues } from "@tessera/config";
import { clusterNames, CLUSTERS, formatJobScript } from "@tessera/launcher";
import { defineLauncher } from "./command.js";
import { checkCertificate } from "./verify/certificate.js";
import { findRun } from "./verify/find_run.js";

const count = { min: 1, max: 100_000, whole: true };

const program = {
  name: "tessera sbatch",
  summary: "Writes a Slurm job script for a program; sbatch takes it.",
  epilogue:
    "Example: tessera sbatch --site frontier --account abc123 --nodes 2 --output job.sh -- node app.js",
  groups: {
    Job: {
      site: choice("the cluster", clusterNames, "generic"),
      nodes: number("nodes", count, 1),
      "ranks-per-node": number(
        "ranks on each. Default: one on each GPU, else the cluster's",
        count,
      ),
      "gpus-per-node": number(
        "GPUs of each, a rank on each; 0 to compute on processors",
        { ...count, min: 0 },
        0,
      ),
      "cpus-per-rank": number("processors of each rank. Default: the cluster's", count),
      time: text("the time limit, as Slurm writes it", "TIME", "2:00:00"),
      account: text("the project that is charged", "NAME"),
      partition: text("the partition", "NAME"),
      "job-name": text("the job's name", "NAME", "tessera"),
      "warning-seconds": number(
        "tell ranks to save (SIGTERM) so many seconds before the time limit, and requeue; 0 for never",
        { min: 0, max: 65_535, whole: true },
        0,
      ),
    },
    Environment: {
      module: list("modules to load beside the cluster's", "NAME"),
      env: list("variables to set", "NAME=VALUE"),
    },
    Output: {
      "log-folder": text("where the job's output goes", "FOLDER", "."),
      output: text("the file to write (default: stdout)", "FILE"),
    },
    Verification: {
      certificate: text(
        "refuse to start unless tessera verify --certificate wrote FILE for this program, its flags and code",
        "FILE",
      ),
    },
  },
} as const;

export const sbatch = defineLauncher(program, ({ values }, words) => {
  const script = createScript(values, words);
  if (values.output === undefined) process.stdout.write(script);
  else writeFileSync(values.output, script, { mode: 0o755 });
  return EXIT.done;
});

function createScript(
  flags: FlagValues<(typeof program)["groups"]>,
  words: readonly string[],
): string {
  const given = {
    ranksPerNode: flags["ranks-per-node"],
    gpusPerNode: flags["gpus-per-node"],
    cpusPerRank: flags["cpus-per-rank"],
    account: flags.account,
    partition: flags.partition,
  };
  const present = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  return formatJobScript({
    ...present,
    cluster: CLUSTERS[flags.site],
    name: flags["job-name"],
    nodes: flags.nodes,
    time: flags.time,
    modules: flags.module,
    environment: Object.fromEntries(flags.env.map(parseVariable)),
    logFolder: flags["log-folder"],
    warningSeconds: flags["warning-seconds"],
    program: words,
    ...(flags.certificate !== undefined && { check: certificateCheck(flags.certificate, words) }),
  });
}

/**
 * The command that checks a certificate once the job starts, when code may have changed.
 * @throws UserError where it does not hold today.
 */
function certificateCheck(file: string, words: readonly string[]): readonly string[] {
  checkCertificate(file, findRun(words, "verify"));
  const tessera = [process.execPath, realpathSync(process.argv[1]!)];
  return [...tessera, "verify", "--check", resolve(file), "--", ...words];
}

function parseVariable(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UserError(`--env ${text}: must read NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

// tessera sbatch: writes the job script that runs a program on a cluster.

import { writeFileSync } from "node:fs";
import { choice, EXIT, list, number, parseFlags, text, UserError } from "@tessera/config";
import { clusterNames, CLUSTERS, formatJobScript } from "@tessera/launcher";
import type { Command } from "./command.js";

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
      "ranks-per-node": number("ranks on each. Default: the cluster's", count),
      "gpus-per-node": number("GPUs of each, for programs that use them", { ...count, min: 0 }, 0),
      "cpus-per-rank": number("processors of each rank. Default: the cluster's", count),
      time: text("the time limit, as Slurm writes it", "TIME", "2:00:00"),
      account: text("the project that is charged", "NAME"),
      partition: text("the partition", "NAME"),
      "job-name": text("the job's name", "NAME", "tessera"),
      "warning-seconds": number(
        "tell ranks to save (SIGTERM) so long before the time limit, and requeue; 0 for never",
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
      output: text("the file to write; printed if not said", "FILE"),
    },
  },
} as const;

export const sbatch: Command = {
  summary: program.summary,
  run(argv) {
    const cut = argv.indexOf("--");
    const parsed = parseFlags(program, cut < 0 ? argv : argv.slice(0, cut));
    if ("help" in parsed) {
      process.stdout.write(parsed.help);
      return EXIT.done;
    }
    const script = scriptOf(parsed.values, cut < 0 ? [] : argv.slice(cut + 1));
    const { output } = parsed.values;
    if (output === undefined) process.stdout.write(script);
    else writeFileSync(output, script, { mode: 0o755 });
    return EXIT.done;
  },
};

type Flags = Extract<
  ReturnType<typeof parseFlags<(typeof program)["groups"]>>,
  { values: unknown }
>;

function scriptOf(flags: Flags["values"], words: readonly string[]): string {
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
    environment: Object.fromEntries(flags.env.map(variable)),
    logFolder: flags["log-folder"],
    warningSeconds: flags["warning-seconds"],
    program: words,
  });
}

function variable(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UserError(`--env ${text}: must read NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

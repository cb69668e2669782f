// node tools/slurm-cluster/main.mjs start [NODES] | run COMMAND... | unplug N | plug N | logs | stop | obstacle

import { spawnSync } from "node:child_process";
import { clusterEnvironment, link, logs, obstacle, start, stop } from "./cluster.mjs";

/** @type {Readonly<Record<string, (words: readonly string[]) => void>>} */
const commands = {
  start: ([count = "2"]) => start(Number(count)),
  run: ([command = "true", ...args]) => {
    const { status } = spawnSync(command, args, { stdio: "inherit", env: clusterEnvironment() });
    process.exitCode = status ?? 1;
  },
  unplug: ([node]) => link(Number(node), "down"),
  plug: ([node]) => link(Number(node), "up"),
  logs: () => void process.stdout.write(`${logs()}\n`),
  stop: () => stop(),
  // Why no cluster can be started here; nothing where one can.
  obstacle: () => void process.stdout.write(obstacle() ?? ""),
};

const [word = "nothing", ...rest] = process.argv.slice(2);
const command = commands[word];
if (command === undefined) {
  process.stderr.write(`slurm-cluster: ${word} is none of ${Object.keys(commands).join(", ")}\n`);
  process.exitCode = 2;
} else {
  command(rest);
}

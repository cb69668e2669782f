// A Slurm cluster on this machine, for tests: munge, slurmctld, and a slurmd on each node. Everything it
// writes is in one folder, and `stop` leaves nothing behind.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  chownSync,
} from "node:fs";
import { hostname, availableParallelism } from "node:os";
import { join } from "node:path";
import {
  HOST_ADDRESS,
  makeNetwork,
  nodeAt,
  nodes,
  onNode,
  removeNetwork,
  setLink,
} from "./nodes.mjs";

const FOLDER = "/run/tessera-slurm";
const STATE = join(FOLDER, "state.json");
const PATIENCE_MS = 30_000;

/** @param {number} ms */
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Why no cluster can be started here; null where one can. */
export function obstacle() {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it needs Linux and root";
  for (const command of ["slurmctld", "slurmd", "munged", "ip", "unshare"]) {
    if (spawnSync("sh", ["-c", `command -v ${command}`]).status !== 0)
      return `${command} is missing`;
  }
  const probe = spawnSync("unshare", ["--net", "--mount", "--uts", "--pid", "--fork", "true"]);
  return probe.status === 0 ? null : "this machine allows no namespaces";
}

/**
 * How long a requeued job waits, and how long a launch may take, for which Slurm has one setting; 120 by
 * default. Not less than it takes to clear away what is left of the job: its steps have their names again, and
 * where it was started at once its ranks did not come up now and then.
 */
const CREDENTIAL_SECONDS = 20;

/** @param {readonly import("./nodes.mjs").Node[]} all */
function slurmConf(all) {
  // As many as the largest job has ranks, which must also fit one node.
  const processors = Math.max(16, availableParallelism());
  return `ClusterName=tessera
SlurmctldHost=${hostname()}(${HOST_ADDRESS})
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${FOLDER}/munge.socket,cred_expire=${CREDENTIAL_SECONDS}
CredType=cred/munge
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SchedulerParameters=sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
KillWait=3
UnkillableStepTimeout=20
BatchStartTimeout=20
MessageTimeout=10
StateSaveLocation=${FOLDER}/ctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=${FOLDER}/slurmctld.pid
SlurmdPidFile=/var/spool/slurmd.pid
SlurmctldLogFile=${FOLDER}/slurmctld.log
SlurmdLogFile=${FOLDER}/slurmd-%n.log
TmpFS=${FOLDER}/%n/tmp
JobAcctGatherType=jobacct_gather/none
${all.map(({ name, address }) => `NodeName=${name} NodeHostname=${name} NodeAddr=${address} CPUs=${processors} State=UNKNOWN`).join("\n")}
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
`;
}

/**
 * Open MPI starts on a fence's word that all ranks are ready. By default Slurm 22.05 takes fences without
 * data through a tree, and that was seen to end on each node by itself: now and then a rank got a message
 * too early, and died of it or hung. The ring waits for all nodes.
 */
const MPI_CONF = "PMIxCollFence=ring\n";

/**
 * Starts a daemon whose output goes to a file. Returns its process id.
 * @param {string} name
 * @param {readonly [string, ...string[]]} command
 */
function startDaemon(name, [command, ...args]) {
  const log = openSync(join(FOLDER, `${name}.out`), "a");
  const child = spawn(command, args, {
    detached: true,
    stdio: ["ignore", log, log],
    env: clusterEnvironment(),
  });
  child.unref();
  if (child.pid === undefined) throw new Error(`${command} cannot be started`);
  return child.pid;
}

export const clusterEnvironment = () => ({
  ...process.env,
  SLURM_CONF: join(FOLDER, "slurm.conf"),
});

/**
 * Runs one of Slurm's commands against the cluster.
 * @param {string} command
 * @param {string[]} args
 */
export const slurm = (command, ...args) =>
  spawnSync(command, args, { encoding: "utf8", env: clusterEnvironment() });

/**
 * @param {string} what
 * @param {() => boolean} isTrue
 */
function waitUntil(what, isTrue) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come up; logs are in ${FOLDER}`);
    sleep(200);
  }
}

function writeMungeKey() {
  const key = join(FOLDER, "munge.key");
  writeFileSync(key, randomBytes(128), { mode: 0o400 });
  return key;
}

/** Starts `count` nodes; returns when all are idle. */
export function start(count = 2) {
  const reason = obstacle();
  if (reason !== null) throw new Error(`no Slurm cluster can start here: ${reason}`);
  stop();
  mkdirSync(join(FOLDER, "ctld"), { recursive: true });
  chownSync(FOLDER, 0, 0);
  const all = nodes(count);
  const lines = all.map(({ name, address }) => `${address} ${name}`);
  const hosts = join(FOLDER, "hosts");
  writeFileSync(
    hosts,
    ["127.0.0.1 localhost", `${HOST_ADDRESS} ${hostname()}`, ...lines, ""].join("\n"),
  );
  writeFileSync(join(FOLDER, "slurm.conf"), slurmConf(all));
  writeFileSync(join(FOLDER, "mpi.conf"), MPI_CONF);
  /** @type {number[]} */
  const pids = [];
  const remember = () => writeFileSync(STATE, JSON.stringify({ count, pids }));
  remember();
  makeNetwork(all);
  const socket = join(FOLDER, "munge.socket");
  const munge = ["--foreground", "--force", `--key-file=${writeMungeKey()}`, `--socket=${socket}`];
  const files = ["log", "pid", "seed"].map(
    (kind) => `--${kind}-file=${join(FOLDER, `munge.${kind}`)}`,
  );
  pids.push(startDaemon("munged", ["munged", ...munge, ...files]));
  remember();
  waitUntil("munged", () => existsSync(socket));
  pids.push(startDaemon("slurmctld", ["slurmctld", "-D"]));
  for (const node of all) {
    const scratch = join(FOLDER, node.name);
    for (const name of ["slurmd", "tmp"]) mkdirSync(join(scratch, name), { recursive: true });
    pids.push(
      startDaemon(
        `slurmd-${node.name}`,
        onNode(node, { hosts, scratch }, ["slurmd", "-D", "-N", node.name]),
      ),
    );
  }
  remember();
  waitUntil("the nodes", () => {
    const { stdout } = slurm("sinfo", "--noheader", "--Node", "--format=%T");
    return stdout.split("\n").filter((state) => state.trim() === "idle").length === count;
  });
}

/** Ends all daemons and jobs, and removes network and files. Harmless where nothing runs. */
export function stop() {
  if (!existsSync(STATE)) return;
  /** @type {{ count: number, pids: number[] }} */
  const { count, pids } = JSON.parse(readFileSync(STATE, "utf8"));
  // Nodes first: the end of a node's first process is the end of all its processes.
  for (const pid of pids.reverse()) endGroup(pid);
  removeNetwork(nodes(count));
  rmSync(FOLDER, { recursive: true, force: true });
}

/** @param {number} pid */
function endGroup(pid) {
  const isAlive = () => existsSync(`/proc/${pid}`) && !/\nState:\s+Z/.test(readStatus(pid));
  if (!isAlive()) return;
  process.kill(-pid, "SIGTERM");
  for (let waited = 0; isAlive() && waited < 3000; waited += 50) sleep(50);
  if (isAlive()) process.kill(-pid, "SIGKILL");
}

/** @param {number} pid */
function readStatus(pid) {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "\nState: Z";
  }
}

/** What the daemons wrote. */
export const logs = () =>
  [
    "slurmctld.log",
    "slurmctld.out",
    "munged.out",
    "slurmd-n0.log",
    "slurmd-n1.log",
    "slurmd-n0.out",
    "slurmd-n1.out",
  ]
    .map((name) => join(FOLDER, name))
    .filter(existsSync)
    .map((file) => `--- ${file}\n${readFileSync(file, "utf8")}`)
    .join("\n");

/**
 * Disconnects node `index` ("down"), or connects it again ("up").
 * @param {number} index
 * @param {"up" | "down"} state
 */
export const link = (index, state) => setLink(nodeAt(index), state);

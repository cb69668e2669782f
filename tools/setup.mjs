// All that a fresh clone needs before its first command: dependencies and built packages. Plain
// Node, because nothing is installed yet. Run again, it only does what is missing.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { toolchain as mpiToolchain } from "../packages/collectives-mpi/native/toolchain.mjs";
import { toolchain } from "../packages/kernels-native/native/toolchain.mjs";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMP = join(ROOT, "node_modules", ".tessera-lock");
/** Of what other programs say in a quiet set-up. */
const LOG = join("outputs", "setup.log");
const { engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const OLDEST_NODE = engines.node.replace(">=", "");

/**
 * Ends the process with one line that says what is missing.
 * @param {string} message
 * @returns {never}
 */
export function stop(message) {
  process.stderr.write(`tessera: ${message}\n`);
  process.exit(1);
}

/**
 * What a stage of the set-up prints to: the terminal, or a log.
 * @typedef {"inherit" | number} Output
 */

/**
 * Runs a command in the root. Ends the process with `failure` if the command fails, and with the name of the log if the
 * reason is there.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} failure
 * @param {{ env?: NodeJS.ProcessEnv, output?: Output }} [options] Default: its output is shown.
 */
export function run(command, args, failure, { env = process.env, output = "inherit" } = {}) {
  const input = output === "inherit" ? output : "ignore";
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: [input, output, output],
    env,
  });
  if (error !== undefined && "code" in error && error.code === "ENOENT")
    stop(`${command} is missing: install it and run this again`);
  if (status !== 0) stop(output === "inherit" ? failure : `${failure}; its log is ${LOG}`);
}

/** A log of a quiet set-up, in place of an earlier one. */
export function openLog() {
  mkdirSync(join(ROOT, dirname(LOG)), { recursive: true });
  return openSync(join(ROOT, LOG), "w");
}

/**
 * Says what is being done and, where its programs say nothing in between, how long it took.
 * @param {string} name
 * @param {Output} output
 * @param {() => void} work
 */
export function stage(name, output, work) {
  const isQuiet = output !== "inherit";
  const began = performance.now();
  process.stdout.write(isQuiet ? `${name} ... ` : `${name}\n`);
  // A failure is told on a line of its own.
  const endLine = () => void process.stdout.write("\n");
  if (isQuiet) process.once("exit", endLine);
  work();
  process.off("exit", endLine);
  if (isQuiet) process.stdout.write(`${Math.round((performance.now() - began) / 1000)} s\n`);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [needMajor = 0, needMinor = 0] = OLDEST_NODE.split(".").map(Number);
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    stop(`Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or later`);
  }
}

/**
 * `npm ci`, unless what is installed came from this very lock file.
 * @param {Output} output
 */
function installDependencies(output) {
  const lock = createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === lock) return;
  // What its install script would fetch is for GPUs of another runtime.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  const failure = "npm ci failed: it needs npm's registry, or a full npm cache";
  stage("installing dependencies (about a minute)", output, () =>
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], failure, { env, output }),
  );
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, lock);
}

/**
 * What the native engines are built from.
 * @param {Output} output
 */
function installToolchain(output) {
  const missing = new Set([...toolchain().missing, ...mpiToolchain().missing]);
  const otherwise = "without them, the slower wasm backend computes";
  install([...missing], "the native engines", otherwise, output);
}

/** The Debian packages that only tests need, each by a command that succeeds where it is there. */
const TEST_PACKAGES = {
  "slurm-wlm": "command -v slurmctld",
  munge: "command -v munged",
  iproute2: "command -v ip",
  shellcheck: "command -v shellcheck",
  // Beside Open MPI, which stays the default.
  mpich: "command -v mpiexec.mpich",
  "libmpich-dev": "command -v mpicxx.mpich",
  // For the libraries of Python that slow tests compare with.
  "python3-venv": "python3 -m ensurepip --version",
};

/** What only slow tests need. */
const SLOW_TEST_PACKAGES = {
  // For looking at the documentation's site.
  chromium: "command -v chromium || command -v google-chrome",
};

/**
 * Installs what the tests of launching need, and slow ones. Where that is impossible, these tests are skipped.
 * @param {boolean} withSlow
 */
export function installForTests(withSlow) {
  /** @param {string} probe */
  const isMissing = (probe) => spawnSync("sh", ["-c", probe]).status !== 0;
  const wanted = { ...TEST_PACKAGES, ...(withSlow ? SLOW_TEST_PACKAGES : {}) };
  const missing = Object.entries(wanted).filter(([, probe]) => isMissing(probe));
  install(
    missing.map(([name]) => name),
    "tests",
    "without them, tests on a Slurm cluster are skipped, and slow ones fail",
    "inherit",
  );
}

/**
 * Installs Debian packages as root on Debian or Ubuntu. Elsewhere the builds of the packages print what to install,
 * and everything works without it.
 * @param {readonly string[]} missing
 * @param {string} purpose
 * @param {string} otherwise
 * @param {Output} output
 */
function install(missing, purpose, otherwise, output) {
  const mayInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  if (missing.length === 0 || !mayInstall) return;
  /** @param {string[]} args */
  const apt = (...args) =>
    spawnSync("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=300", ...args], {
      stdio: ["ignore", output === "inherit" ? "ignore" : output, output],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  let failed = false;
  stage(`installing ${missing.join(", ")} for ${purpose}`, output, () => {
    apt("update");
    failed = apt("install", "-y", "--no-install-recommends", ...missing).status !== 0;
  });
  if (failed) process.stdout.write(`apt-get failed: ${otherwise}\n`);
}

/**
 * @param {readonly string[]} targets
 * @param {Output} output
 */
function build(targets, output) {
  const nx = join(ROOT, "node_modules/nx/dist/bin/nx.js");
  const args = [nx, ...targets, "--outputStyle=static"];
  stage("building (minutes the first time, later seconds)", output, () =>
    run(process.execPath, args, "the build failed", { output }),
  );
}

/**
 * Whether `npx NAME` finds a file that it may run.
 * @param {string} name
 */
function isLinked(name) {
  try {
    accessSync(join(ROOT, "node_modules/.bin", name), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * npm links the commands of workspaces while it installs, but only those that are built, so not in a fresh clone.
 * @param {Output} output
 */
function linkCommands(output) {
  const unlinked = readdirSync(join(ROOT, "apps"))
    .map((app) => join(ROOT, "apps", app))
    .filter((folder) => existsSync(join(folder, "dist")))
    .map((folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")))
    .filter(({ bin }) => !Object.keys(bin).every(isLinked));
  if (unlinked.length === 0) return;
  const names = unlinked.map(({ name }) => name);
  run("npm", ["rebuild", "--ignore-scripts", "--silent", ...names], "npm rebuild failed", {
    output,
  });
}

/**
 * Dependencies, the build and the commands.
 * @param {string} [project] An app, to build only what it needs. Default: everything.
 * @param {{ quiet?: boolean }} [options] Whether each stage is one line, and all else goes to a log. Default: false.
 */
export function setUp(project, { quiet = false } = {}) {
  checkNode();
  const output = quiet ? openLog() : "inherit";
  installDependencies(output);
  installToolchain(output);
  const targets = project === undefined ? ["run-many", "-t", "build"] : ["build", project];
  build(targets, output);
  linkCommands(output);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) setUp();

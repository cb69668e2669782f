// All that a fresh clone needs before its first command: dependencies and built packages. Plain
// Node, because nothing is installed yet. Run again, it only does what is missing.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
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
 * Runs a command in the root with its output shown. Ends the process with `failure` if the command fails.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} failure
 */
export function run(command, args, failure, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit", env });
  if (error !== undefined && "code" in error && error.code === "ENOENT")
    stop(`${command} is missing: install it and run this again`);
  if (status !== 0) stop(failure);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [needMajor = 0, needMinor = 0] = OLDEST_NODE.split(".").map(Number);
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    stop(`Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or later`);
  }
}

/** `npm ci`, unless what is installed came from this very lock file. */
function installDependencies() {
  const lock = createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === lock) return;
  process.stdout.write("installing dependencies (about a minute)\n");
  run(
    "npm",
    ["ci", "--no-audit", "--no-fund"],
    "npm ci failed: it needs npm's registry, or a full npm cache",
    // What its install script would fetch is for GPUs of another runtime.
    { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" },
  );
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, lock);
}

/** What the native engines are built from. */
function installToolchain() {
  const missing = new Set([...toolchain().missing, ...mpiToolchain().missing]);
  install([...missing], "the native engines", "without them, the slower wasm backend computes");
}

/** The Debian packages that only tests need, each by a command that succeeds where it is there. */
const TEST_PACKAGES = {
  "slurm-wlm": "command -v slurmctld",
  munge: "command -v munged",
  iproute2: "command -v ip",
  shellcheck: "command -v shellcheck",
  // For the libraries of Python that slow tests compare with.
  "python3-venv": "python3 -m ensurepip --version",
};

/** Installs what the tests of launching need. Where that is impossible, these tests are skipped. */
export function installForTests() {
  /** @param {string} probe */
  const isMissing = (probe) => spawnSync("sh", ["-c", probe]).status !== 0;
  const missing = Object.entries(TEST_PACKAGES).filter(([, probe]) => isMissing(probe));
  install(
    missing.map(([name]) => name),
    "tests",
    "without them, tests on a Slurm cluster are skipped, and slow ones fail",
  );
}

/**
 * Installs Debian packages as root on Debian or Ubuntu. Elsewhere the builds of the packages print what to install,
 * and everything works without it.
 * @param {readonly string[]} missing
 * @param {string} purpose
 * @param {string} otherwise
 */
function install(missing, purpose, otherwise) {
  const mayInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  if (missing.length === 0 || !mayInstall) return;
  process.stdout.write(`installing ${missing.join(", ")} for ${purpose}\n`);
  /** @param {string[]} args */
  const apt = (...args) =>
    spawnSync("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=300", ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  apt("update");
  if (apt("install", "-y", "--no-install-recommends", ...missing).status !== 0) {
    process.stdout.write(`apt-get failed: ${otherwise}\n`);
  }
}

/**
 * @param {readonly string[]} args
 * @param {string} failure
 */
export function nx(args, failure) {
  run(process.execPath, [join(ROOT, "node_modules/nx/dist/bin/nx.js"), ...args], failure);
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

/** npm links the commands of workspaces while it installs, but only those that are built, so not in a fresh clone. */
function linkCommands() {
  const unlinked = readdirSync(join(ROOT, "apps"))
    .map((app) => join(ROOT, "apps", app))
    .filter((folder) => existsSync(join(folder, "dist")))
    .map((folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")))
    .filter(({ bin }) => !Object.keys(bin).every(isLinked));
  if (unlinked.length === 0) return;
  const names = unlinked.map(({ name }) => name);
  run("npm", ["rebuild", "--ignore-scripts", "--silent", ...names], "npm rebuild failed");
}

/**
 * Dependencies, the build and the commands.
 * @param {string} [project] An app, to build only what it needs. Default: everything.
 */
export function setUp(project) {
  checkNode();
  installDependencies();
  installToolchain();
  const targets = project === undefined ? ["run-many", "-t", "build"] : ["build", project];
  nx([...targets, "--outputStyle=static"], "the build failed");
  linkCommands();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) setUp();

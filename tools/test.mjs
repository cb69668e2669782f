// `npm test`, `npm run test:slow`, `npm run test:soak`: set-up, then the checks of the tiers that are named. The
// last line counts them.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { toolchain } from "../packages/kernels-native/native/toolchain.mjs";
import { installForTests, ROOT, setUp, stop } from "./setup.mjs";

/** @param {string} path */
const bin = (path) => join(ROOT, "node_modules", path);

/**
 * @param {string} target
 * @param {string[]} args
 */
const nx = (target, ...args) => [
  bin("nx/dist/bin/nx.js"),
  ...["run-many", "-t", target, "--outputStyle=static", ...args],
];
/** As many projects at once as there are processors. */
const spread = `--parallel=${Math.min(availableParallelism(), 4)}`;

/** @typedef {"test" | "slow" | "soak"} Tier */
/** @type {readonly Tier[]} */
const TIERS = ["test", "slow", "soak"];
/** @param {string} word */
const tierNamed = (word) =>
  TIERS.find((tier) => tier === word) ?? stop(`${word}: is none of the tiers ${TIERS.join(", ")}`);
const tiers = process.argv.length > 2 ? process.argv.slice(2).map(tierNamed) : [tierNamed("test")];
setUp();
installForTests(tiers.includes("slow"));
const hasCompiler = toolchain().missing.length === 0;

/**
 * The checks of each tier, in their order: CONTRIBUTING.md says what belongs where. In a quick project one file's
 * tests come after another's, so that no tail waits for one worker; a slow one takes two at once.
 * @type {Record<Tier, readonly (readonly [name: string, args: readonly string[], workers?: number])[]>}
 */
const CHECKS = {
  test: [
    ["formatting", [bin("prettier/bin/prettier.cjs"), "--check", "--log-level=warn", "."]],
    ["formatting of C++", [join(ROOT, "tools/format_cpp.mjs"), "--check"]],
    // One process for all: most of its time is reading types, which projects share.
    ["lint", [bin("eslint/bin/eslint.js"), "."]],
    ["tests", nx("test", spread)],
  ],
  slow: hasCompiler
    ? [["slow tests, and native kernels under sanitizers", nx("test:slow,sanitize", spread), 2]]
    : [["slow tests", nx("test:slow", spread), 2]],
  soak: [["soak tests", nx("test:soak", "--parallel=1")]],
};

/** Where each project leaves Jest's results. */
const resultFiles = ["packages", "apps"]
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(folder, name)))
  .concat("site", "tools")
  .flatMap((project) => tiers.map((tier) => join(ROOT, project, `test-results.${tier}.json`)));
for (const file of resultFiles) rmSync(file, { force: true });

/**
 * Repeats at the end of the output which tests of a file failed and why.
 * @param {{ name: string, message: string, assertionResults: readonly TestResult[] }} suite
 */
const reportFailures = (suite) => {
  process.stdout.write(`\nfailed: ${relative(ROOT, suite.name)}\n`);
  const failures = suite.assertionResults.filter(({ status }) => status === "failed");
  const messages = failures.flatMap((test) => [test.fullName, ...test.failureMessages]);
  process.stdout.write(`${(messages.length > 0 ? messages : [suite.message]).join("\n")}\n`);
};

/** @typedef {{ status: string, fullName: string, failureMessages: readonly string[] }} TestResult */

const counts = { passed: 0, failed: 0, skipped: 0 };
if (tiers.includes("slow") && !hasCompiler) {
  process.stdout.write("skipped: native kernels under sanitizers, as there is no compiler\n");
  counts.skipped += 1;
}
const failedChecks = [];
for (const [name, args, workers = 1] of tiers.flatMap((tier) => CHECKS[tier])) {
  process.stdout.write(`\n--- ${name} ---\n`);
  const began = performance.now();
  const env = { ...process.env, TESSERA_TEST_WORKERS: String(workers) };
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit", env });
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  process.stdout.write(`${name}: ${status === 0 ? "passed" : "failed"} in ${minutes} min\n`);
  if (status === 0) counts.passed += 1;
  else failedChecks.push(name);
}
counts.failed += failedChecks.length;
for (const name of failedChecks) process.stdout.write(`failed: ${name}\n`);
for (const file of resultFiles.filter(existsSync)) {
  const results = JSON.parse(readFileSync(file, "utf8"));
  counts.passed += results.numPassedTests;
  counts.failed += results.numFailedTests + results.numRuntimeErrorTestSuites;
  counts.skipped += results.numPendingTests;
  for (const suite of results.testResults) if (suite.status === "failed") reportFailures(suite);
}
const { passed, failed, skipped } = counts;
const count = `${passed} passed, ${failed} failed`;
process.stdout.write(skipped === 0 ? `${count}\n` : `${count}, ${skipped} skipped\n`);
// A user's machine may lack a compiler; continuous integration must not.
process.exitCode = failed > 0 || (skipped > 0 && process.env["CI"]) ? 1 : 0;

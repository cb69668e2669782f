// `npm test`: set-up, formatting, lint, types and every test. The last line counts them.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { toolchain } from "../packages/kernels-native/native/toolchain.mjs";
import { installForTests, ROOT, setUp } from "./setup.mjs";

setUp();
installForTests();

const node = (args) =>
  spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" }).status === 0;
const bin = (path) => join(ROOT, "node_modules", path);

const checks = [
  ["formatting", [bin("prettier/bin/prettier.cjs"), "--check", "--log-level=warn", "."]],
  ["lint", [bin("nx/dist/bin/nx.js"), "run-many", "-t", "lint", "--outputStyle=static"]],
  [
    "tests",
    [bin("nx/dist/bin/nx.js"), "run-many", "-t", "test", "--parallel=1", "--outputStyle=static"],
  ],
];

let skipped = 0;
if (toolchain().missing.length === 0) {
  const args = ["run", "@tessera/kernels-native:sanitize", "--outputStyle=static"];
  checks.push(["native kernels under sanitizers", [bin("nx/dist/bin/nx.js"), ...args]]);
} else {
  process.stdout.write("skipped: native kernels under sanitizers, as there is no compiler\n");
  skipped += 1;
}

/** Where each project leaves Jest's results. */
const resultFiles = ["packages", "apps", "tools"].flatMap((folder) =>
  folder === "tools"
    ? [join(ROOT, folder, "test-results.json")]
    : readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name, "test-results.json")),
);
for (const file of resultFiles) rmSync(file, { force: true });

/** Says again, where they are not missed, which tests of a file failed and why. */
const tellFailures = (suite) => {
  process.stdout.write(`\nfailed: ${relative(ROOT, suite.name)}\n`);
  const failures = suite.assertionResults.filter(({ status }) => status === "failed");
  const messages = failures.flatMap((test) => [test.fullName, ...test.failureMessages]);
  process.stdout.write(`${(messages.length > 0 ? messages : [suite.message]).join("\n")}\n`);
};

const failedChecks = checks.filter(([name, args]) => {
  process.stdout.write(`\n--- ${name} ---\n`);
  return !node(args);
});

let passed = checks.length - failedChecks.length;
let failed = failedChecks.length;
for (const [name] of failedChecks) process.stdout.write(`failed: ${name}\n`);
for (const file of resultFiles.filter(existsSync)) {
  const results = JSON.parse(readFileSync(file, "utf8"));
  passed += results.numPassedTests;
  failed += results.numFailedTests + results.numRuntimeErrorTestSuites;
  skipped += results.numPendingTests;
  for (const suite of results.testResults) if (suite.status === "failed") tellFailures(suite);
}
const count = `${passed} passed, ${failed} failed`;
process.stdout.write(skipped === 0 ? `${count}\n` : `${count}, ${skipped} skipped\n`);
// A user's machine may lack a compiler; continuous integration must not.
process.exitCode = failed > 0 || (skipped > 0 && process.env.CI) ? 1 : 0;

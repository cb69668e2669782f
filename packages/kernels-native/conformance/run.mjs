// Runs tfjs-core's own test suite on the backend `native` and prints {passed, failed, failures} as
// one line of JSON. `--filter TEXT` runs the specs whose names hold TEXT.

import { build } from "esbuild";
import Jasmine from "jasmine";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const here = path.dirname(fileURLToPath(import.meta.url));
const built = path.join(here, "..", "dist", "addon.js");
const { values } = parseArgs({ options: { filter: { type: "string" } } });

const counts = { passed: 0, failed: 0, failures: [] };
const counter = {
  specDone({ status, fullName, failedExpectations }) {
    if (status === "passed") counts.passed += 1;
    if (status !== "failed") return;
    counts.failed += 1;
    counts.failures.push(`${fullName}: ${failedExpectations[0]?.message}`);
  },
};

// The bundle has to resolve jasmine-core, so it lies in this package.
const folder = mkdtempSync(path.join(here, "bundle-"));
try {
  const outfile = path.join(folder, "suite.spec.cjs");
  await build({
    stdin: {
      contents: `import "./register.mjs";
        import "@tensorflow/tfjs-core/dist/tests";`,
      resolveDir: here,
    },
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    mainFields: ["module", "main"],
    // Without this the packages' claim to have no side effects drops every spec.
    ignoreAnnotations: true,
    external: ["jasmine-core"],
    define: { "import.meta.url": JSON.stringify(pathToFileURL(built).href) },
    logLevel: "error",
  });
  const jasmine = new Jasmine();
  jasmine.exitOnCompletion = false;
  jasmine.clearReporters();
  jasmine.addReporter(counter);
  jasmine.randomizeTests(false);
  jasmine.addSpecFile(outfile);
  await jasmine.execute(undefined, values.filter);
} finally {
  rmSync(folder, { recursive: true });
}
process.stdout.write(`${JSON.stringify(counts)}${os.EOL}`);
process.exitCode = counts.failed === 0 ? 0 : 1;

// Leaves the name of the first test file that fails: bailing out, Jest writes no results.

import { writeFileSync } from "node:fs";

export default class {
  /**
   * @param {import("@jest/test-result").Test} test
   * @param {import("@jest/test-result").TestResult} result
   */
  onTestResult({ path }, { numFailingTests, testExecError }) {
    if (numFailingTests === 0 && !testExecError) return;
    writeFileSync(process.env["TESSERA_MUTATE_FAILED"] ?? "", path, { flag: "a" });
  }
}

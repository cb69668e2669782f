// Jest's order of test files: those that killed most mutants first, so that the first failure comes soon.

import { createRequire } from "node:module";

// Its types are those of its CommonJS build, so that one is loaded.
const require = createRequire(import.meta.url);
const { default: Sequencer } = /** @type {typeof import("@jest/test-sequencer")} */ (
  require("@jest/test-sequencer")
);

/** @type {readonly string[]} */
const order = JSON.parse(process.env["TESSERA_MUTATE_ORDER"] ?? "[]");

export default class extends Sequencer {
  /**
   * @override
   * @param {import("@jest/test-result").Test[]} tests
   */
  sort(tests) {
    /** @param {import("@jest/test-result").Test} test */
    const rank = ({ path }) => {
      const index = order.indexOf(path);
      return index === -1 ? order.length : index;
    };
    return tests.toSorted((a, b) => rank(a) - rank(b));
  }
}

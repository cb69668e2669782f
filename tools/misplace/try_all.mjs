// Tries all misplacements, and tells those that compile all the same.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openCompiler } from "./compiler.mjs";
import { misplacementsOf } from "./mutants.mjs";

/** @typedef {{ file: string, line: number, change: string, what: string, why: string | undefined }} Escape */
/** @typedef {{ file: string, tried: number, escapes: readonly Escape[] }} Result Of one file. */

/** Where layers, regions, residuals, heads, losses and sums of gradients are composed. */
export const FILES = [
  ...["axis", "region_comm", "tensor_parallel", "vocab_parallel_cross_entropy"].map(
    (name) => `packages/tensor-parallel/src/${name}.ts`,
  ),
  "packages/tensor-parallel/src/vocab_parallel_head.ts",
  ...["block", "model"].map((name) => `packages/gpt/src/${name}.ts`),
  ...["attention", "embedding", "mlp"].map((name) => `packages/layers/src/${name}.ts`),
  ...["fsdp_params", "pending_reductions", "replicate", "sum_squares"].map(
    (name) => `packages/data-parallel/src/${name}.ts`,
  ),
  "packages/pipeline-parallel/src/axis.ts",
  "packages/trainer/src/step.ts",
  ...["own_layer", "own_model"].map((name) => `examples/${name}.ts`),
];

/**
 * Tries the misplacements of each file of the project at `root`, whose packages are built; `report` gets each result.
 * @param {string} root
 * @param {(result: Result) => void} report
 */
export function tryAll(root, report) {
  /** @type {readonly { file: string, what: string, why: string }[]} */
  const explained = JSON.parse(readFileSync(join(root, "tools/misplace/escapes.json"), "utf8"));
  const compiler = openCompiler(root, FILES);
  for (const file of FILES) {
    const source = readFileSync(join(root, file), "utf8");
    const [error] = compiler.errorsWith(file, source);
    if (error !== undefined) throw new Error(`${file}: ${error}`);
    const all = misplacementsOf(source);
    const escapes = all
      .filter((one) => compiler.errorsWith(file, one.source).length === 0)
      .map(({ change, line, what }) => {
        const why = explained.find((one) => one.file === file && one.what === what)?.why;
        return { file, line, change, what, why };
      });
    report({ file, tried: all.length, escapes });
  }
}

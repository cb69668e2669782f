// `npm run misplace`: removes, doubles or swaps conversions between placements and layers, one at a time, wherever they
// are composed, and counts those that the compiler refuses. What compiles all the same is explained in
// misplace/escapes.json.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openCompiler } from "./misplace/compiler.mjs";
import { misplacementsOf } from "./misplace/mutants.mjs";
import { ROOT } from "./setup.mjs";

/** The part of them that the compiler must refuse. */
const NEEDED = 0.95;

/** Where layers, regions, residuals, heads, losses and sums of gradients are composed. */
const FILES = [
  ...["axis", "region_comm", "tensor_parallel", "vocab_parallel_cross_entropy"].map(
    (name) => `packages/tensor-parallel/src/${name}.ts`,
  ),
  "packages/tensor-parallel/src/vocab_parallel_head.ts",
  ...["block", "model"].map((name) => `packages/gpt/src/${name}.ts`),
  ...["attention", "embedding", "mlp"].map((name) => `packages/layers/src/${name}.ts`),
  ...["fsdp_params", "replicate", "sum_squares"].map(
    (name) => `packages/data-parallel/src/${name}.ts`,
  ),
  "packages/pipeline-parallel/src/axis.ts",
  "packages/trainer/src/step.ts",
  ...["own_layer", "own_model"].map((name) => `examples/${name}.ts`),
];

/** @type {readonly { file: string, what: string, why: string }[]} */
const explained = JSON.parse(readFileSync(join(ROOT, "tools/misplace/escapes.json"), "utf8"));

const compiler = openCompiler(ROOT, FILES);
const counts = { tried: 0, refused: 0, unexplained: 0 };
for (const file of FILES) {
  const source = readFileSync(join(ROOT, file), "utf8");
  const [error] = compiler.errorsWith(file, source);
  if (error !== undefined) throw new Error(`${file}: ${error}`);
  for (const { change, line, what, source: changed } of misplacementsOf(source)) {
    counts.tried += 1;
    if (compiler.errorsWith(file, changed).length > 0) {
      counts.refused += 1;
      continue;
    }
    const why = explained.find((one) => one.file === file && one.what === what)?.why;
    if (why === undefined) counts.unexplained += 1;
    process.stdout.write(`${file}:${line}: ${change}: ${what}\n  ${why ?? "compiles"}\n`);
  }
}
const { tried, refused, unexplained } = counts;
const part = refused / tried;
process.stdout.write(`${refused} of ${tried} do not compile (${(100 * part).toFixed(1)}%)\n`);
process.exitCode = part < NEEDED || unexplained > 0 ? 1 : 0;

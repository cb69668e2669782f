// What the types of placements refuse: public faults of composed parallelisms that a GPT can have, in words; and nearly
// all that `npm run misplace` removes, doubles or swaps.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runNode } from "@tessera/testing";

const ROOT = join(__dirname, "../..");
const HOST = "examples/own_layer.ts"; // whose place the faults take

const HEAD = `
import { singleGroup } from "@tessera/collectives";
import { columns, dropout, gelu, layerNorm, linear, mlp, parallel, preNorm, residual } from "@tessera/layers";
import { rows, selfAttention, sequence } from "@tessera/layers";
import { conversions, type CompleteGradients, type PartialGradients } from "@tessera/parallel";
import { tensorParallel } from "@tessera/tensor-parallel";
import { claim } from "@tessera/params/placement";
import type { Tensor } from "@tensorflow/tfjs-core";
declare const plain: Tensor;
declare const partial: PartialGradients;
const ranks = tensorParallel(singleGroup());
const along = conversions<"tensor">(singleGroup());
const { weightShard: shard, tokenShard } = ranks;
const norm = layerNorm(4);
const drop = dropout(0.1, tokenShard);
const attention = selfAttention({ width: 4, heads: 2, std: 1, outputStd: 1, shard });
const feed = mlp({ width: 4, ffnWidth: 8, std: 1, outputStd: 1, shard });
const up = linear({ inFeatures: 4, outFeatures: 8, std: 1, split: columns("ffn"), shard });
const down = linear({ inFeatures: 8, outFeatures: 4, std: 1, split: rows("ffn"), shard });
const head = ranks.lmHead({ vocabulary: 8, width: 4, std: 1 });
const region = ranks.wrap(attention);
void [drop, along, attention, feed, up, down, head, region, norm, plain, partial, tokenShard];
`;

const REST =
  "; void [columns, dropout, gelu, linear, parallel, preNorm, residual, rows, sequence, claim];\nexport type Used = CompleteGradients;";

const FAULTS: readonly (readonly [name: string, source: string, said: RegExp])[] = [
  [
    "an all-reduce is forgotten behind a row-parallel layer",
    'residual(sequence(["norm", norm], ["up", up], ["down", down]))',
    /a residual adds invariant or sharded:tokens and partial: add up the terms with tensorParallel.wrap\(\)/,
  ],
  [
    "a region is not entered, so that its gradient lacks an all-reduce",
    'sequence(["norm", norm], ["feed", feed])',
    /invariant or sharded:tokens meets a layer that needs replicated: begin a region with tensorParallel.wrap\(\)/,
  ],
  [
    "a region is entered twice",
    "ranks.wrap(ranks.wrap(feed))",
    /'"replicated"' is not assignable to type 'Outside'/,
  ],
  [
    "a sum is reduced twice",
    'along.allReduce(along.allReduce(claim<"partial">(plain)).wait())',
    /'"invariant"' is not assignable to type '"partial"'/,
  ],
  [
    "an activation of partial sums",
    'sequence(["up", up], ["down", down], ["gelu", gelu()])',
    /partial meets a layer that needs invariant or sharded:tokens: add up the terms/,
  ],
  [
    "a shard of heads meets rows of another dimension",
    'sequence(["up", linear({ inFeatures: 4, outFeatures: 8, std: 1, split: columns("heads") })], ["down", down])',
    /sharded:heads meets a layer that needs sharded:ffn: split both along the same dimension/,
  ],
  [
    "a norm over each rank's part of the features",
    'sequence(["up", up], ["norm", layerNorm(8)], ["down", down])',
    /sharded:ffn meets a layer that needs invariant or sharded:tokens/,
  ],
  [
    "gathered activations go into a vocabulary-parallel head",
    'head.loss({ table: plain }, claim<"replicated">(plain), { ids: plain, weights: plain })',
    /'"replicated"' is not assignable to type 'Outside'/,
  ],
  [
    "a head is given what nobody has said anything of",
    "head.loss({ table: plain }, plain, { ids: plain, weights: plain })",
    /Property '\[placement\]' is missing/,
  ],
  [
    "a dropout mask of the wrong shard, which differs where ranks must agree",
    "dropout(0.1, ranks.weightShard)",
    /'"weights"' is not assignable to type '"tokens"'/,
  ],
  [
    "weights are split as tokens are, so that ranks add up whole products",
    'linear({ inFeatures: 4, outFeatures: 8, std: 1, split: columns("ffn"), shard: tokenShard })',
    /'"tokens"' is not assignable to type '"weights"'/,
  ],
  [
    "parallel branches of which one is reduced",
    "parallel({ heads: region, feed })",
    /parallel layers take the same placement, and return the same/,
  ],
  [
    "gradients are clipped before other axes have completed them",
    "((gradients: CompleteGradients) => gradients)(partial)",
    /'PartialGradients' is not assignable to parameter of type 'CompleteGradients'/,
  ],
  [
    "the norm and the region of a sublayer change places",
    'preNorm("heads", { norm: region, region: norm, drop })',
    /not assignable/,
  ],
];

/** The JSON that `script` prints, whose variables are the modules of the command. */
function evaluate(script: string): unknown {
  const of = (name: string) =>
    JSON.stringify(pathToFileURL(join(ROOT, "tools/misplace", name)).href);
  const imports = ["compiler", "try_all"].map(
    (name) => `import * as ${name} from ${of(`${name}.mjs`)};`,
  );
  const words = ["--input-type=module", "-e", `${imports.join("\n")}\n${script}`];
  const { status, stdout, stderr } = runNode(words);
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

/** What the compiler says of each source in place of the example. */
const errorsOf = (sources: readonly string[]) =>
  evaluate(`
    const opened = compiler.openCompiler(${JSON.stringify(ROOT)}, [${JSON.stringify(HOST)}]);
    const sources = ${JSON.stringify(sources)};
    const errors = sources.map((one) => opened.errorsWith(${JSON.stringify(HOST)}, one).join("\\n"));
    console.log(JSON.stringify(errors));`) as readonly string[];

test("public faults of composed parallelisms do not compile, and the compiler says why in words", () => {
  const sourceOf = (expression: string): string =>
    `${HEAD}export const fault = ${expression}${REST}\n`;
  const [none, ...errors] = errorsOf(["0", ...FAULTS.map(([, source]) => source)].map(sourceOf));
  expect(none).toBe("");
  FAULTS.forEach(([name, , said], i) =>
    expect([name, errors[i]]).toEqual([name, expect.stringMatching(said)]),
  );
});

interface Result {
  readonly tried: number;
  readonly escapes: readonly { readonly what: string; readonly why?: string }[];
}

test("nearly all conversions and layers that are removed, doubled or swapped do not compile", () => {
  const results = evaluate(`
    const results = [];
    try_all.tryAll(${JSON.stringify(ROOT)}, (result) => results.push(result));
    console.log(JSON.stringify(results));`) as readonly Result[];
  const tried = results.reduce((sum, one) => sum + one.tried, 0);
  const escapes = results.flatMap((one) => one.escapes);
  expect(tried).toBeGreaterThan(150);
  expect(escapes.filter(({ why }) => why === undefined)).toEqual([]);
  expect(escapes.length / tried).toBeLessThan(0.05);
});

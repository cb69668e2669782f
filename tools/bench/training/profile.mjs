// Which kernels a step calls, and how long each takes.

import { backend } from "@tensorflow/tfjs-core";

const PART_OF = [
  ["attention", /CausalAttention|Rotary/],
  ["products", /^Tessera(Linear|Product|(Add)?WeightGradient)$/],
  ["head", /CrossEntropy/],
  ["optimizer", /AdamStep|SgdStep|SumOfSquares/],
];

const partOf = (kernel) => PART_OF.find(([, pattern]) => pattern.test(kernel))?.[0] ?? "rest";

/**
 * The kernels of one call of `step`, with the shapes of their inputs; and seconds by part of the
 * step, where `rest` has everything that is in no other. Only the native backend tells.
 */
export function profile(step) {
  const engine = backend();
  const calls = [];
  const parts = { attention: 0, products: 0, head: 0, optimizer: 0, rest: 0 };
  if (typeof engine.storageOf !== "function") return { calls, parts };
  const run = engine.run.bind(engine);
  engine.run = (name, inputs, outputs, attributes) => {
    const began = performance.now();
    const made = run(name, inputs, outputs, attributes);
    parts[partOf(name)] += (performance.now() - began) / 1000;
    // Of single tensors: kernels over lists have no products.
    const shapes = Object.fromEntries(
      Object.entries(inputs).map(([k, input]) => [k, input?.shape]),
    );
    calls.push({ name, shapes, attributes, storage: inputs.x && engine.storageOf(inputs.x) });
    return made;
  };
  const { seconds } = step();
  delete engine.run;
  const { rest: _small, ...named } = parts;
  parts.rest = seconds - Object.values(named).reduce((a, b) => a + b, 0);
  return { calls, parts };
}

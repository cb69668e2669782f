// A rank of the benchmark: our all-reduce alone, a matrix product alone, and both at once. Rank 0 prints
// the seconds of each.

import { matMul, randomUniform, setBackend } from "@tensorflow/tfjs-core";
import { runRank } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { loadNative } from "@tessera/kernels-native";

/** @typedef {Record<"reduce" | "multiply" | "both", number[]>} Timing Seconds of each repetition. */

const [count, repeats, width] = process.argv.slice(2).map(Number);
loadNative(process.env);
await setBackend("native");

process.exitCode = await runRank(joinWorld(process.env), ({ all, rank }) => {
  const x = randomUniform([count]);
  const a = randomUniform([width, width]);
  const reduce = () => all.allReduce(x).wait().dispose();
  const multiply = () => matMul(a, a).dispose();
  const both = () => {
    const work = all.allReduce(x);
    multiply();
    work.wait().dispose();
  };
  /** @param {() => void} step */
  const timed = (step) => {
    all.barrier();
    const began = performance.now();
    step();
    return (performance.now() - began) / 1000;
  };
  /** @param {() => void} step */
  const repeat = (step) => Array.from({ length: repeats }, () => timed(step));
  /** @type {Timing} */
  const seconds = { reduce: repeat(reduce), multiply: repeat(multiply), both: repeat(both) };
  if (rank === 0) process.stdout.write(`${JSON.stringify(seconds)}\n`);
  x.dispose();
  a.dispose();
  return 0;
});

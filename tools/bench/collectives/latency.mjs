// A rank of the benchmark: how long each short call holds JavaScript up, from the call to its result. Rank 0
// prints the median in microseconds, by kind and bytes. The argument: whether ranks compare their calls.

import { randomUniform, setBackend } from "@tensorflow/tfjs-core";
import { runRank } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { loadNative } from "@tessera/kernels-native";

const REPEATS = 300;
const SIZES = [1 << 10, 1 << 16, 1 << 20, 1 << 22];
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

loadNative(process.env);
await setBackend("native");
const compareCalls = process.argv[2] === "compare";

process.exitCode = await runRank(
  joinWorld(process.env, { compareCalls }),
  ({ all, rank, size }) => {
    /** Of `bytes` on each rank: what goes in, or for a gather what comes out. */
    const calls = {
      allReduce: (x) => all.allReduce(x),
      allGather: (x) => all.allGather(x, 0),
      reduceScatter: (x) => all.reduceScatter(x, 0),
    };
    const times = {};
    for (const [kind, call] of Object.entries(calls)) {
      times[kind] = SIZES.map((bytes) => {
        const x = randomUniform([kind === "allGather" ? bytes / 4 / size : bytes / 4]);
        const once = () => {
          const began = performance.now();
          call(x).wait().dispose();
          return 1000 * (performance.now() - began);
        };
        for (let i = 0; i < 20; i += 1) once();
        const took = median(Array.from({ length: REPEATS }, once));
        x.dispose();
        return Math.round(took);
      });
    }
    if (rank === 0) process.stdout.write(`${JSON.stringify(times)}\n`);
    return 0;
  },
);

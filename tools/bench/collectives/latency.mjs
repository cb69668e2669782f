// A rank of the benchmark: how long each short call holds JavaScript up, from the call to its result. Rank 0
// prints the median in microseconds, by kind and bytes. The argument: whether ranks compare their calls.

import { randomUniform, setBackend } from "@tensorflow/tfjs-core";
import { runRank } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { loadNative } from "@tessera/kernels-native";
import { medianOf } from "../shared/median.mjs";

/** @typedef {"allReduce" | "allGather" | "reduceScatter"} Kind */
/** @typedef {Record<Kind, readonly number[]>} Latency Microseconds, by kind and size. */
/** @typedef {import("@tensorflow/tfjs-core").Tensor} Tensor */
/** @typedef {(x: Tensor) => import("@tessera/collectives").Work<Tensor>} Call */

const REPEATS = 300;
const SIZES = [1 << 10, 1 << 16, 1 << 20, 1 << 22];

loadNative(process.env);
await setBackend("native");
const compareCalls = process.argv[2] === "compare";

process.exitCode = await runRank(
  joinWorld(process.env, { compareCalls }),
  ({ all, rank, size }) => {
    /**
     * `parts`: of how many ranks the inputs make up the bytes of a size.
     * @param {Call} call
     * @param {number} parts
     */
    const time = (call, parts) =>
      SIZES.map((bytes) => {
        const x = randomUniform([bytes / 4 / parts]);
        const once = () => {
          const began = performance.now();
          call(x).wait().dispose();
          return 1000 * (performance.now() - began);
        };
        for (let i = 0; i < 20; i += 1) once();
        const took = medianOf(Array.from({ length: REPEATS }, once));
        x.dispose();
        return Math.round(took);
      });
    /** @type {Latency} */
    const times = {
      allReduce: time((x) => all.allReduce(x), 1),
      allGather: time((x) => all.allGather(x, 0), size),
      reduceScatter: time((x) => all.reduceScatter(x, 0), 1),
    };
    if (rank === 0) process.stdout.write(`${JSON.stringify(times)}\n`);
    return 0;
  },
);

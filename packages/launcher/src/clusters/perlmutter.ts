import type { Cluster, NodeUse } from "./cluster.js";

/** Operations per cycle of a Zen 3 core, which has no 16-bit products: two fused multiply-adds of 8 lanes. */
const OPERATIONS_PER_CYCLE = 32;
const processorPeak = (128 * 2.45 * OPERATIONS_PER_CYCLE) / 1000;

const processors: NodeUse = {
  ranksPerNode: 8,
  cpusPerRank: 32,
  peakTflops: { fp32: processorPeak, bf16: processorPeak, fp16: processorPeak },
  modules: ["PrgEnv-gnu", "cray-mpich"],
  environment: {},
  directives: ["--constraint=cpu", "--qos=regular"],
  srun: ["--cpu-bind=cores"],
};

/**
 * NERSC: CPU nodes of two 64-core EPYC 7763 at 2.45 GHz, with two threads a core, in eight NUMA domains of 16
 * cores: one rank on each. GPU nodes of one such processor and four A100.
 */
export const perlmutter: Cluster = {
  name: "perlmutter",
  requiresAccount: true,
  processors,
  gpus: {
    ...processors,
    ranksPerNode: 4,
    // NVIDIA gives 19.5, without TF32, and 312 for an A100.
    peakTflops: { fp32: 4 * 19.5, bf16: 4 * 312, fp16: 4 * 312 },
    directives: ["--constraint=gpu", "--qos=regular"],
    srun: [...processors.srun, "--gpus-per-task=1"],
  },
};

import type { Cluster, NodeUse } from "./cluster.js";
import { zen3Peak } from "./zen3.js";

const processors: NodeUse = {
  ranksPerNode: 8,
  cpusPerRank: 32,
  peakTflops: zen3Peak(128, 2.45),
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

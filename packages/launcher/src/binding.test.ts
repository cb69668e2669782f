// What of its node a rank is given, under the variables of two launchers.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { bind, findGpus } from "./index.js";

/** Local rank 1 of 2. */
const openMpi = {
  OMPI_COMM_WORLD_RANK: "3",
  OMPI_COMM_WORLD_SIZE: "4",
  OMPI_COMM_WORLD_LOCAL_RANK: "1",
  OMPI_COMM_WORLD_LOCAL_SIZE: "2",
};
const slurm = {
  SLURM_JOB_ID: "7",
  SLURM_NTASKS: "5",
  SLURM_PROCID: "4",
  SLURM_LOCALID: "0",
  SLURM_NODEID: "2",
  SLURM_STEP_NUM_TASKS: "5",
  SLURM_STEP_TASKS_PER_NODE: "2(x2),1",
  SLURM_STEP_NODELIST: "n[0-2]",
};

describe("a rank gets an even share of its node's processors,", () => {
  const threads = (env: Record<string, string>, processors: number) =>
    bind(env, { processors, gpus: null })["OMP_NUM_THREADS"];
  test.each([
    ["rounded down", openMpi, 5, "2"],
    ["one at least", openMpi, 1, "1"],
    ["of what Slurm gave the node, where each rank is pinned", twoOnNode("16"), 8, "8"],
    ["of what Slurm gave the node, where it gave it a part", twoOnNode("4"), 64, "2"],
  ])("%s", (_name, env, processors, share) => {
    expect(threads(env, processors)).toBe(share);
  });

  test.each([
    ["OMP_NUM_THREADS", { ...openMpi, OMP_NUM_THREADS: "3" }],
    ["Slurm", { ...twoOnNode("16"), SLURM_CPUS_PER_TASK: "7" }],
    ["nobody, as it is alone", {}],
  ])("unless it was granted threads by %s", (_name, env) => {
    expect(bind(env, { processors: 8, gpus: null })).toEqual(env);
  });

  test("and a count that is none is refused", () => {
    const node = { processors: 8, gpus: null };
    expect(() => bind(twoOnNode("many"), node)).toThrow('SLURM_CPUS_ON_NODE is "many", must be');
  });

  function twoOnNode(processors: string) {
    return { ...slurm, SLURM_STEP_TASKS_PER_NODE: "2(x2),2", SLURM_CPUS_ON_NODE: processors };
  }
});

describe("a rank sees one GPU,", () => {
  const nvidia = { processors: 8, gpus: { maker: "NVIDIA", count: 4 } } as const;
  const amd = { processors: 8, gpus: { maker: "AMD", count: 8 } } as const;
  test.each([
    ["that of its local rank", openMpi, nvidia, { CUDA_VISIBLE_DEVICES: "1" }],
    ["by AMD's variable on AMD's", openMpi, amd, { ROCR_VISIBLE_DEVICES: "1" }],
    ["the first where it is alone", {}, nvidia, { CUDA_VISIBLE_DEVICES: "0" }],
    [
      "of those that it was granted",
      { ...openMpi, CUDA_VISIBLE_DEVICES: "GPU-a,GPU-b,GPU-c" },
      nvidia,
      { CUDA_VISIBLE_DEVICES: "GPU-b" },
    ],
    [
      "the one that Slurm bound it to",
      { ...openMpi, ROCR_VISIBLE_DEVICES: "6" },
      amd,
      { ROCR_VISIBLE_DEVICES: "6" },
    ],
    [
      "by the variable that the user set",
      { ...openMpi, HIP_VISIBLE_DEVICES: "4,5" },
      amd,
      { HIP_VISIBLE_DEVICES: "5" },
    ],
    [
      "in turns where ranks are more",
      openMpi,
      { ...nvidia, gpus: { maker: "NVIDIA", count: 1 } },
      { CUDA_VISIBLE_DEVICES: "0" },
    ],
    [
      "or none where it may see none",
      { ...openMpi, CUDA_VISIBLE_DEVICES: "" },
      nvidia,
      { CUDA_VISIBLE_DEVICES: "" },
    ],
  ] as const)("%s", (_name, env, node, expected) => {
    const bound = bind(env, node);
    const visible = Object.entries(bound).filter(([name]) => name.endsWith("_VISIBLE_DEVICES"));
    expect(Object.fromEntries(visible)).toEqual(expected);
  });
});

test("GPUs are those that drivers list", () => {
  const root = mkdtempSync(join(tmpdir(), "tessera-gpus-"));
  const nodes = join(root, "sys/class/kfd/kfd/topology/nodes");
  try {
    expect(findGpus(root)).toBeNull();
    for (const [name, shaders] of [0, 304, 304].entries()) {
      mkdirSync(join(nodes, String(name)), { recursive: true });
      const properties = `cpu_cores_count 0\nsimd_count ${shaders}\nmem_banks_count 1\n`;
      writeFileSync(join(nodes, String(name), "properties"), properties);
    }
    // One that this process may not read.
    mkdirSync(join(nodes, "3"));
    expect(findGpus(root)).toEqual({ maker: "AMD", count: 2 });
    for (const bus of ["0000:01:00.0", "0000:41:00.0"]) {
      mkdirSync(join(root, "proc/driver/nvidia/gpus", bus), { recursive: true });
    }
    expect(findGpus(root)).toEqual({ maker: "NVIDIA", count: 2 });
  } finally {
    rmSync(root, { recursive: true });
  }
});

// Environments as the launchers' documentation gives them, and what contradicts itself.

import { describe, expect, test } from "@jest/globals";
import {
  expandCounts,
  expandHosts,
  launchEnvironment,
  mpirunArguments,
  prefixRank,
  resolveWorld,
} from "./index.js";

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
const openMpi = {
  OMPI_COMM_WORLD_RANK: "3",
  OMPI_COMM_WORLD_SIZE: "4",
  OMPI_COMM_WORLD_LOCAL_RANK: "1",
  OMPI_COMM_WORLD_LOCAL_SIZE: "2",
};
const hydra = { PMI_RANK: "1", PMI_SIZE: "8", MPI_LOCALRANKID: "1", MPI_LOCALNRANKS: "4" };
const torchrun = { RANK: "2", WORLD_SIZE: "4", LOCAL_RANK: "0", LOCAL_WORLD_SIZE: "2" };

const nodes: string[] = [];

describe("a process learns its place from", () => {
  test.each([
    ["nobody", {}, { rank: 0, size: 1, localRank: 0, localSize: 1, nodes, launcher: "none" }],
    [
      "srun on uneven nodes",
      slurm,
      {
        rank: 4,
        size: 5,
        localRank: 0,
        localSize: 1,
        nodes: ["n0", "n1", "n2"],
        launcher: "Slurm",
      },
    ],
    [
      "srun of fewer tasks than the job has",
      {
        ...slurm,
        SLURM_PROCID: "0",
        SLURM_NODEID: "0",
        SLURM_STEP_NUM_TASKS: "2",
        SLURM_STEP_TASKS_PER_NODE: "2",
      },
      { rank: 0, size: 2, localRank: 0, localSize: 2, launcher: "Slurm" },
    ],
    ["mpirun", openMpi, { rank: 3, size: 4, localRank: 1, localSize: 2, launcher: "Open MPI" }],
    [
      "mpirun, whose daemons are Slurm's tasks",
      { ...slurm, ...openMpi, SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "2" },
      { rank: 3, size: 4, localRank: 1, launcher: "Open MPI" },
    ],
    ["MPICH's mpiexec", hydra, { rank: 1, size: 8, localRank: 1, localSize: 4, launcher: "PMI" }],
    [
      "srun with Cray's PMI",
      { ...slurm, PMI_RANK: "4", PMI_SIZE: "5" },
      { rank: 4, size: 5, localRank: 0, localSize: 1, launcher: "PMI" },
    ],
    ["torchrun", torchrun, { rank: 2, size: 4, localRank: 0, localSize: 2, launcher: "torchrun" }],
    ["a batch script of one task", { SLURM_NTASKS: "1", SLURM_PROCID: "0" }, { rank: 0, size: 1 }],
  ])("%s", (_who, env, expected) => {
    expect(resolveWorld(env)).toMatchObject(expected);
  });
});

describe("is refused:", () => {
  test.each([
    [
      "a batch script of several tasks",
      { SLURM_NTASKS: "8", SLURM_PROCID: "0" },
      "start it by srun",
    ],
    ["a rank outside of the world", { ...openMpi, OMPI_COMM_WORLD_RANK: "4" }, "must be below"],
    ["no number", { ...slurm, SLURM_PROCID: "two" }, 'SLURM_PROCID is "two"'],
    [
      "a missing rank",
      { PMI_SIZE: "4", MPI_LOCALRANKID: "0" },
      'PMI_RANK is "", must be a whole number',
    ],
    [
      "two launchers that disagree",
      { ...torchrun, ...openMpi },
      "RANK is 2, but OMPI_COMM_WORLD_RANK is 3",
    ],
    ["a node outside of the step", { ...slurm, SLURM_NODEID: "3" }, "has no such node"],
    ["a local rank outside of its node", { ...slurm, SLURM_LOCALID: "1" }, "local rank 1 of 1"],
    ["no local rank", { PMI_RANK: "1", PMI_SIZE: "2" }, "none of PMI_LOCAL_RANK"],
    [
      "an empty node list",
      { ...slurm, SLURM_STEP_NODELIST: "n[0-" },
      "SLURM_STEP_NODELIST: the host",
    ],
  ])("%s", (_what, env, said) => {
    expect(() => resolveWorld(env)).toThrow(said);
  });
});

describe("host lists", () => {
  test.each([
    ["frontier[00863,00971-00973]", "frontier00863 frontier00971 frontier00972 frontier00973"],
    ["n1,n2", "n1 n2"],
    ["r[1-2]n[8-10]", "r1n8 r1n9 r1n10 r2n8 r2n9 r2n10"],
    ["a[9-11]-ib,b.example.org", "a9-ib a10-ib a11-ib b.example.org"],
  ])("%s", (list, hosts) => {
    expect(expandHosts(list)).toEqual(hosts.split(" "));
  });

  test.each([
    "",
    "n[1",
    "n]1[",
    "n[a-b]",
    "n[5-2]",
    "n[1-99999999]",
    "n[1-9999][1-9999]",
    "a b",
    "$(x)",
  ])("%j is refused", (list) => {
    expect(() => expandHosts(list)).toThrow(/host list/);
  });

  test("counts per node", () => {
    expect(expandCounts("2(x3),1")).toEqual([2, 2, 2, 1]);
    expect(() => expandCounts("2(x")).toThrow("should read like");
  });
});

test("a line of mpirun's output has its rank in front, also where the rank wrote it in pieces", () => {
  expect(prefixRank("[1,3]<stdout>:hello")).toBe("[3] hello");
  expect(prefixRank("[1,0]<stderr>:To be[1,0]<stderr>:, or[1,0]<stderr>: not")).toBe(
    "[0] To be, or not",
  );
  expect(prefixRank("mpirun noticed [1,2] that")).toBe("mpirun noticed [1,2] that");
});

test("ranks of one host are kept to loopback, unless the user says otherwise", () => {
  const request = { program: ["app"], ranks: 2, processors: 8, asRoot: false };
  const env = { OMPI_MCA_pml: "ucx" };
  expect(launchEnvironment(env, "Open MPI", request, "/loopback.so")).toEqual({
    OMPI_MCA_btl: "self,vader",
    OMPI_MCA_oob_tcp_if_include: "127.0.0.0/8",
    PRTE_MCA_prte_if_include: "127.0.0.0/8",
    PMIX_MCA_ptl_tcp_if_include: "127.0.0.0/8",
    OMP_NUM_THREADS: "4",
    LD_PRELOAD: "/loopback.so",
  });
  const { LD_PRELOAD, UCX_NET_DEVICES } = launchEnvironment({}, "MPICH", request, null);
  expect({ LD_PRELOAD, UCX_NET_DEVICES }).toEqual({ UCX_NET_DEVICES: "lo" });
  expect(mpirunArguments("MPICH", request)).toEqual([
    ...["-prepend-rank", "-iface", "lo", "-n", "2", "app"],
  ]);
});

// What launchers really say: environments that processes printed under Slurm 22.05, Open MPI 4.1 and MPICH
// 4.0, three or four of them on hosts n0 and n1. Only names of hosts and folders were changed.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { resolveWorld, type Environment } from "./index.js";

const environment = (name: string): Environment => {
  const path = join(__dirname, "../fixtures/environments", `${name}.env`);
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
};

const onTwoNodes = { rank: 2, size: 3, localRank: 0, localSize: 1, nodes: ["n0", "n1"] };

test.each([
  ["slurm-srun-pmix", { ...onTwoNodes, launcher: "Slurm" }],
  ["slurm-srun-none", { ...onTwoNodes, launcher: "Slurm" }],
  ["slurm-srun-pmi2", { ...onTwoNodes, launcher: "PMI" }],
  ["mpich-mpiexec", { rank: 2, size: 3, localRank: 2, localSize: 3, launcher: "PMI" }],
  ["open-mpi-mpirun", { rank: 2, size: 3, localRank: 2, localSize: 3, launcher: "Open MPI" }],
  [
    "open-mpi-mpirun-in-slurm",
    { rank: 3, size: 4, localRank: 0, localSize: 1, launcher: "Open MPI" },
  ],
])("%s", (name, place) => {
  expect(resolveWorld(environment(name))).toMatchObject(place);
});

test("slurm-batch-script is no task, and must not become a world of one", () => {
  expect(() => resolveWorld(environment("slurm-batch-script"))).toThrow(
    "SLURM_NTASKS is 4, but this process is no task of a step: start it by srun",
  );
});

// What tessera doctor says where all is there, where nothing is, and where MPI is broken.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { runNode } from "@tessera/testing";

const TESSERA = join(__dirname, "../dist/main.js");

const doctor = (env: NodeJS.ProcessEnv) =>
  runNode([TESSERA, "doctor"], { env: { ...process.env, ...env } });

const withMpi = isAvailable() ? test : test.skip;

withMpi("MPI says what it lets threads do", () => {
  const { stdout, status } = doctor({});
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^MPI engine +built, on .+, thread level (funneled|serialized|multiple)$/m,
  );
});

withMpi("MPI that does not start is told of, and the rest is told all the same", () => {
  const { stdout, status } = doctor({ OMPI_MCA_pml: "bogus", MPIR_CVAR_CH4_NETMOD: "bogus" });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^MPI engine +built, but MPI does not start: .*\w/m);
  expect(stdout).toMatch(/^GPUs /m);
});

test("a command that is missing comes with what brings it", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-doctor-"));
  const { stdout, status } = doctor({ PATH: folder });
  rmSync(folder, { recursive: true });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^MPI +missing: .+\n +to have it: apt-get install -y openmpi-bin /m);
  expect(stdout).toMatch(/^Slurm +missing: .+\n +to have it: apt-get install -y slurm-wlm /m);
});

// What tessera doctor says where all is there, where nothing is, and where MPI is broken.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { runNode } from "@tessera/testing";

const TESSERA = join(__dirname, "../dist/main.js");

const doctor = (env: NodeJS.ProcessEnv, ...flags: string[]) =>
  runNode([TESSERA, "doctor", ...flags], { env: { ...process.env, ...env } });

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
  const strict = doctor({ PATH: folder }, "--require", "mpi", "slurm");
  rmSync(folder, { recursive: true });
  expect(status).toBe(0);
  expect(strict).toMatchObject({
    status: 1,
    stderr: "tessera doctor: MPI, Slurm: required, but missing\n",
  });
  for (const what of ["Node", "processor", "memory", "disk", "GPUs", "native engine"]) {
    expect(stdout).toMatch(new RegExp(`^${what} +\\w`, "m"));
  }
  expect(stdout).toMatch(/^MPI +missing: .+\n +to have it: apt-get install -y openmpi-bin /m);
  expect(stdout).toMatch(/^Slurm +missing: .+\n +to have it: apt-get install -y slurm-wlm /m);
});

test("engines that cannot be built are named, with what is missing and what brings it", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-doctor-"));
  const env = { ...process.env, PATH: folder, CXX: "no-compiler", MPICXX: "" };
  const { stdout, status } = runNode([TESSERA, "build-engines"], { env });
  rmSync(folder, { recursive: true });
  expect(status).toBe(1);
  for (const [engine, tool] of [
    ["native engine", "g++"],
    ["MPI engine", "libopenmpi-dev"],
  ]) {
    const line = stdout.split("\n").find((each) => each.startsWith(`${engine}: not built`));
    expect(line).toMatch(/on Debian: apt-get install -y .*, and then npx tessera build-engines$/);
    expect(line).toContain(tool);
  }
  expect(stdout).not.toMatch(/: built$/m);
});

// Job scripts that bash and shellcheck accept, and values that cannot leave their quotes.

import { spawnSync } from "node:child_process";
import { describe, expect, test } from "@jest/globals";
import { formatJobScript, quote, CLUSTERS, type JobRequest } from "./index.js";

const request: JobRequest = {
  cluster: CLUSTERS.frontier,
  name: "gpt",
  nodes: 2,
  time: "2:00:00",
  account: "abc123",
  logFolder: "logs",
  warningSeconds: 120,
  program: ["node", "app.js", "--prompt", "it's two words & more"],
};

const check = (command: string, args: string[], input: string) => {
  const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: "utf8" });
  expect(`${stdout}${stderr}`).toBe("");
  expect(status).toBe(0);
};

const hasShellcheck = spawnSync("shellcheck", ["--version"]).status === 0;
if (!hasShellcheck) {
  process.stdout.write("job_script.test: shellcheck is skipped, for it is not installed\n");
}

describe.each(Object.values(CLUSTERS))("$name", (cluster) => {
  const scripts = [2, 4, 24, 64].flatMap((nodes) =>
    [0, 120].flatMap((warningSeconds) =>
      [0, 4].map((gpusPerNode) =>
        formatJobScript({ ...request, cluster, nodes, warningSeconds, gpusPerNode }),
      ),
    ),
  );

  test("is bash", () => scripts.forEach((script) => check("bash", ["-n"], script)));
  (hasShellcheck ? test : test.skip)("is clean to shellcheck", () => {
    scripts.forEach((script) => check("shellcheck", ["-"], script));
  });
});

test("frontier's script asks for eight ranks with seven cores each, and for no GPUs", () => {
  const script = formatJobScript({ ...request, nodes: 24 });
  expect(script).toContain("#SBATCH --nodes=24\n#SBATCH --ntasks-per-node=8\n");
  expect(script).toContain("#SBATCH --cpus-per-task=7\n#SBATCH --time=2:00:00\n");
  expect(script).toContain("#SBATCH --requeue\n#SBATCH --signal=B:USR1@120\n");
});

test.each(Object.values(CLUSTERS))(
  "$name has GPUs where they are asked for, else none",
  (cluster) => {
    expect(formatJobScript({ ...request, cluster })).not.toMatch(/gpu|rocm|cuda/i);
    const script = formatJobScript({ ...request, cluster, gpusPerNode: 4 });
    expect(script).toContain("#SBATCH --ntasks-per-node=4\n");
    expect(script).toContain("#SBATCH --gpus-per-node=4\n");
    const shared = formatJobScript({ ...request, cluster, gpusPerNode: 4, ranksPerNode: 8 });
    expect(shared).toContain("#SBATCH --ntasks-per-node=8\n");
  },
);

test("frontier's GPUs are bound to the ranks beside them, and ROCm is loaded", () => {
  const script = formatJobScript({ ...request, gpusPerNode: 8 });
  expect(script).toContain("module load rocm\n");
  expect(script).toMatch(/^srun .*--gpus-per-task=1 --gpu-bind=closest node/m);
});

test("perlmutter's GPUs are on nodes of their own", () => {
  const script = formatJobScript({ ...request, cluster: CLUSTERS.perlmutter, gpusPerNode: 4 });
  expect(script.match(/--constraint=.*/g)).toEqual(["--constraint=gpu"]);
});

test("a node's peak is its cores', or its GPUs'", () => {
  const { frontier, perlmutter } = CLUSTERS;
  expect(frontier.processors.peakTflops?.fp32).toBeCloseTo(3.584, 12);
  // NERSC gives 39.2 GFLOP/s a core in fp64.
  expect(perlmutter.processors.peakTflops?.fp32).toBeCloseTo((2 * 39.2 * 128) / 1000, 12);
  // OLCF gives 191.5 for each of eight in 16 bits.
  expect(frontier.gpus.peakTflops?.bf16).toBeCloseTo(8 * 191.5, 12);
});

test.each(["plain", "two words", "it's", "$(rm -rf x)", "`x`", 'a"b', "new\nline", "", "-x", "*"])(
  "the shell reads %j as one word",
  (word) => {
    const { stdout } = spawnSync("bash", ["-c", `printf %s ${quote(word)}`], { encoding: "utf8" });
    expect(stdout).toBe(word);
  },
);

test.each([
  [{ account: "a b" }, "--account a b"],
  [{ account: "x\n#SBATCH --nodes=999" }, "must be letters"],
  [{ time: "soon" }, "--time soon"],
  [{ logFolder: "my logs" }, "--log-folder"],
  [{ environment: { "A=1;B": "2" } }, "--env A=1;B"],
  [{ program: [] }, "needs a program"],
])("%j is refused", (change, said) => {
  expect(() => formatJobScript({ ...request, ...change })).toThrow(said);
});

test("a cluster that charges for jobs wants an account", () => {
  const { account: _, ...without } = request;
  expect(() => formatJobScript(without)).toThrow(
    "--account: frontier charges each job to a project",
  );
});

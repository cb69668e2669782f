import { describe, expect, test } from "@jest/globals";
import { threadCount } from "./index.js";

describe("threads", () => {
  test.each([
    ["nothing said", {}, 8],
    ["OMP_NUM_THREADS", { OMP_NUM_THREADS: "3" }, 3],
    ["its first level", { OMP_NUM_THREADS: "4,2" }, 4],
    ["Slurm's share", { SLURM_CPUS_PER_TASK: "2" }, 2],
    ["the least of both", { OMP_NUM_THREADS: "6", SLURM_CPUS_PER_TASK: "5" }, 5],
    ["never more than the affinity", { OMP_NUM_THREADS: "64" }, 8],
    ["an empty variable", { OMP_NUM_THREADS: "" }, 8],
  ])("%s", (_name, environment, expected) => {
    expect(threadCount(environment, 8)).toBe(expected);
  });

  test.each(["0", "-1", "many", "1.5"])("refuses OMP_NUM_THREADS=%s", (text) => {
    expect(() => threadCount({ OMP_NUM_THREADS: text }, 8)).toThrow(
      `OMP_NUM_THREADS is "${text}", must be a whole number of threads above 0`,
    );
  });
});

// What launchers are documented to say, alone and inside of each other: all of fixtures/documented_environments.json.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { resolveSize, resolveWorld, type Environment, type JobRank } from "./index.js";
import { LAUNCHERS } from "./launchers/launchers.js";

interface Documented {
  readonly places: readonly {
    readonly what: string;
    readonly environment: Environment;
    readonly place: Partial<JobRank>;
  }[];
  readonly refused: readonly {
    readonly what: string;
    readonly environment: Environment;
    readonly said: string;
  }[];
}

const { places, refused } = JSON.parse(
  readFileSync(join(__dirname, "../fixtures/documented_environments.json"), "utf8"),
) as Documented;

test.each(places)("$what", ({ environment, place }) => {
  expect(resolveWorld(environment)).toMatchObject(place);
  expect(resolveSize(environment)).toBe(place.size);
});

test.each(refused)("$what is refused", ({ environment, said }) => {
  expect(() => resolveWorld(environment)).toThrow(said);
});

test("every launcher is among them", () => {
  const told = new Set(places.map(({ place }) => place.launcher));
  expect(LAUNCHERS.map(({ name }) => name).filter((name) => !told.has(name))).toEqual([]);
});

describe("the size of a job", () => {
  const batch = { SLURM_JOB_ID: "7", SLURM_NTASKS: "8", SLURM_PROCID: "0" };
  test("is known in a batch script and a shell of an allocation, which are no tasks", () => {
    expect(resolveSize(batch)).toBe(8);
    expect(resolveSize({ ...batch, SLURM_PROCID: undefined })).toBe(8);
  });

  test("of several components is that of all", () => {
    const components = { SLURM_NTASKS_HET_GROUP_0: "3", SLURM_NTASKS_HET_GROUP_1: "4" };
    expect(resolveSize({ ...batch, SLURM_HET_SIZE: "2", ...components })).toBe(7);
  });
});

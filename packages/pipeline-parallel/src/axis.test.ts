// The pipeline axis on real ranks.

import "@tensorflow/tfjs-backend-cpu";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { scalar } from "@tensorflow/tfjs-core";
import { runThreads, singleGroup } from "@tessera/collectives";
import { vector } from "@tessera/params";
import { UNSHARDED } from "@tessera/mesh";
import { createSchedules, formatSchedule, pipelineAxis } from "./index.js";
import type { AxisResult } from "./programs/axes.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/axes.js"));

test.each([2, 3, 4])(
  "%i stages gather their parameters, and sum gradients of tied ones",
  async (stages) => {
    const all = await runThreads<AxisResult>({ program, ranks: stages });
    const schedules = createSchedules("1f1b", { stages, microbatches: 3, chunks: 1 });
    all.forEach(({ gathered, completed, replicas, schedule, leaked }, stage) => {
      expect(new Map(gathered.map(([path, ...values]) => [path, values]))).toEqual(
        new Map<string, number[]>([
          ["table", [7, 2]],
          ...schedules.map((_, i): [string, number[]] => [`layers.${i}`, [100 + i, i + 1]]),
        ]),
      );
      const local: [string, number] = [`layers.${stage}`, 10 ** stage];
      const isEnd = stage === 0 || stage === stages - 1;
      const table: [string, number] = ["table", 1 + 10 ** (stages - 1)];
      expect(new Map(completed)).toEqual(new Map(isEnd ? [local, table] : [local]));
      expect(replicas).toEqual({
        [local[0]]: UNSHARDED,
        ...(isEnd && { table: { index: stage === 0 ? 0 : 1, count: 2 } }),
      });
      expect({ schedule, leaked }).toEqual({
        schedule: formatSchedule(schedules[stage]!),
        leaked: 0,
      });
    });
  },
);

test("a single stage has all actions, and completes nothing", () => {
  const axis = pipelineAxis({
    kind: "1f1b",
    chunks: 1,
    group: singleGroup(),
    endsGroup: null,
    specs: [{ gain: vector([], null, 1) }],
  });
  for (const microbatches of [1, 3, 1]) {
    expect(axis.schedule(microbatches)).toEqual(
      createSchedules("1f1b", { stages: 1, microbatches, chunks: 1 })[0],
    );
  }
  const tree = { gain: scalar(1) };
  expect(axis.completeGradients(tree)).toBe(tree);
  expect(axis.replica("gain")).toEqual(UNSHARDED);
  expect(axis.gather(tree)).toBe(tree);
  tree.gain.dispose();
});

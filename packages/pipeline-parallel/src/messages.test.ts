// When a stage asks for messages, and when it is through: seen by a group that writes down what it is asked.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, ones, scalar, setBackend } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import { execute, executeForward, createSchedules, type PipelineChunk } from "./index.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const MICROS = 4;

/** The first of two stages, whose neighbour answers at once. */
function firstOfTwo() {
  const said: string[] = [];
  const group: ProcessGroup = {
    ...singleGroup(),
    rank: 0,
    size: 2,
    ranks: [0, 1],
    send: (_x, to) => {
      said.push(`send to ${to}`);
      return { done: false, wait: () => void said.push("left") };
    },
    receive: (shape, from) => {
      said.push(`ask ${from}`);
      return { done: true, wait: () => ones([...shape]) };
    },
  };
  return { said, group };
}

test("a message is asked for two actions before its turn, and a stage is through when all has left", () => {
  const { said, group } = firstOfTwo();
  const before = memory().numTensors;
  const part: PipelineChunk<number> = {
    forward(microbatch, x) {
      expect(x).toBeNull();
      said.push(`F${microbatch}`);
      return { y: scalar(microbatch), saved: microbatch };
    },
    backward(microbatch, saved, dy) {
      expect([saved, dy!.shape]).toEqual([microbatch, [1 + microbatch]]);
      said.push(`B${microbatch}`);
      return null;
    },
    input: () => ({ dx: null, weight: () => undefined }),
  };
  const message = { shape: (microbatch: number) => [1 + microbatch] };
  const [schedule] = createSchedules("gpipe", { stages: 2, microbatches: MICROS, chunks: 1 });
  execute({ chunks: [part], group, message }, schedule!);
  const to = "send to 1";
  expect(said).toEqual([
    ...["F0", to, "F1", to, "ask 1", "F2", to, "ask 1", "F3", to],
    ...["ask 1", "B0", "ask 1", "B1", "B2", "B3"],
    ...Array<string>(MICROS).fill("left"),
  ]);
  expect(memory().numTensors).toBe(before);
});

test("forward alone goes through the micro-batches that are named, part by part", () => {
  const { said, group } = firstOfTwo();
  const before = memory().numTensors;
  const parts = [0, 1].map((chunk) => ({
    forward: (microbatch: number) => {
      said.push(`F${microbatch}.${chunk}`);
      return { y: scalar(microbatch) };
    },
  }));
  executeForward({ chunks: parts, group, message: { shape: () => [1] } }, [3, 5]);
  expect(said.filter((word) => word.startsWith("F"))).toEqual(["F3.0", "F5.0", "F3.1", "F5.1"]);
  // Part 1 of stage 0 needs what its neighbour makes of each micro-batch.
  expect(said.filter((word) => word === "ask 1")).toHaveLength(2);
  expect(said.filter((word) => word === "left")).toHaveLength(4);
  expect(memory().numTensors).toBe(before);
});

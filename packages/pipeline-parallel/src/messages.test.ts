// When a stage posts receives and when it returns, as logged by a fake group.

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, memory, ones, scalar, setBackend } from "@tensorflow/tfjs-core";
import { singleGroup, type ProcessGroup } from "@tessera/collectives";
import { execute, executeForward, createSchedules, type PipelineChunk } from "./index.js";

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});

const MICROBATCHES = 4;

/** The first of two stages; receives complete at once. */
function createFirstStage() {
  const log: string[] = [];
  const group: ProcessGroup = {
    ...singleGroup(),
    rank: 0,
    size: 2,
    ranks: [0, 1],
    send: (_x, to) => {
      log.push(`send to ${to}`);
      return { done: false, wait: () => void log.push("sent") };
    },
    receive: (shape, from) => {
      log.push(`receive from ${from}`);
      return { done: true, wait: () => ones([...shape]) };
    },
  };
  return { log, group };
}

test("receives are posted two actions ahead, and a stage returns when its sends are complete", () => {
  const { log, group } = createFirstStage();
  const before = memory().numTensors;
  const chunk: PipelineChunk<number> = {
    forward(microbatch, x) {
      expect(x).toBeNull();
      log.push(`F${microbatch}`);
      return { y: scalar(microbatch), saved: microbatch };
    },
    backward(microbatch, saved, dy) {
      expect([saved, dy!.shape]).toEqual([microbatch, [1 + microbatch]]);
      log.push(`B${microbatch}`);
      return null;
    },
    input: () => ({ dx: null, weight: () => undefined }),
  };
  const message = { shape: (microbatch: number) => [1 + microbatch] };
  const [schedule] = createSchedules("gpipe", { stages: 2, microbatches: MICROBATCHES, chunks: 1 });
  execute({ chunks: [chunk], group, message }, schedule!);
  const send = "send to 1";
  const receive = "receive from 1";
  expect(log).toEqual([
    ...["F0", send, "F1", send, receive, "F2", send, receive, "F3", send],
    ...[receive, "B0", receive, "B1", "B2", "B3"],
    ...Array<string>(MICROBATCHES).fill("sent"),
  ]);
  expect(memory().numTensors).toBe(before);
});

test("executeForward runs the given microbatches, chunk by chunk", () => {
  const { log, group } = createFirstStage();
  const before = memory().numTensors;
  const chunks = [0, 1].map((chunk) => ({
    forward: (microbatch: number) => {
      log.push(`F${microbatch}.${chunk}`);
      return { y: scalar(microbatch) };
    },
  }));
  executeForward({ chunks, group, message: { shape: () => [1] } }, [3, 5]);
  expect(log.filter((entry) => entry.startsWith("F"))).toEqual(["F3.0", "F5.0", "F3.1", "F5.1"]);
  // Chunk 1 of stage 0 receives each microbatch from stage 1.
  expect(log.filter((entry) => entry === "receive from 1")).toHaveLength(2);
  expect(log.filter((entry) => entry === "sent")).toHaveLength(4);
  expect(memory().numTensors).toBe(before);
});

import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "@jest/globals";
import { enableProdMode, engine, memory, ones, setBackend } from "@tensorflow/tfjs-core";
import { hostMemory, type HostMemory } from "@tessera/kernels/memory";
import { MAX_TAG } from "./group.js";
import { tensorGroup } from "./tensor_group.js";

/** A native backend's memory, faked. */
const nativeMemory: HostMemory = {
  address: () => 1,
  copyOut: () => undefined,
  allocate: (shape) => ones([...shape]),
};

beforeAll(async () => {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  Object.assign(engine().backend, nativeMemory);
  expect(hostMemory()).not.toBeNull();
});

test("a send that ends while the group polls it releases its tensor once", () => {
  let polls = 0;
  const pending = {
    /** In flight at the first poll, done at the next. */
    get done() {
      polls += 1;
      return polls > 1;
    },
    seconds: 0,
    wait: () => undefined,
  };
  const members = { name: "a pair", rank: 0, ranks: [0, 1] };
  const group = tensorGroup(members, { native: true, start: () => pending });
  const x = ones([3]);
  const before = memory().numTensors;
  const sent = group.send(x, 1);
  group.barrier(); // polls sends in flight
  sent.wait();
  expect(memory().numTensors).toBe(before);
});

test("a tag that MPI does not have is refused on every engine", () => {
  const members = { name: "a pair", rank: 0, ranks: [0, 1] };
  const pending = { done: true, seconds: 0, wait: () => undefined };
  const group = tensorGroup(members, { native: true, start: () => pending });
  const x = ones([3]);
  for (const tag of [-1, 0.5, MAX_TAG + 1]) {
    expect(() => group.send(x, 1, tag)).toThrow(`tag ${tag} must be a whole number up to 248`);
    expect(() => group.receive([3], 1, { tag })).toThrow(`tag ${tag} must be`);
  }
  group.send(x, 1, MAX_TAG).wait();
});

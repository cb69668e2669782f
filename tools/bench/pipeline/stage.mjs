// A rank of the pipeline suite: a stage of equal linear layers on one thread, timed action by action.

import { enableProdMode, randomNormal, setBackend } from "@tensorflow/tfjs-core";
import { loadNative } from "@tessera/kernels-native";
import { linear, sequence, evalContext } from "@tessera/layers";
import { accumulate, disposeTree, materialize } from "@tessera/params";
import { execute, deferGradients, createSchedules } from "@tessera/pipeline-parallel";

const seconds = () => performance.now() / 1000;

/** A part whose actions add their time to `spent`. */
function partOf({ layer, params, sink, isFirst, isLast, shape }, spent) {
  const timed = (kind, work) => {
    const start = seconds();
    const result = work();
    spent[kind].push(seconds() - start);
    return result;
  };
  const backward = (into, { record, y }, dy) => {
    const dx = layer.backward(params, record, y ?? dy, into, evalContext);
    y?.dispose();
    if (!isFirst) return dx;
    dx.dispose();
    return null;
  };
  return {
    forward: (micro, x) =>
      timed("forward", () => {
        const own = x ?? randomNormal(shape, 0, 1, "float32", 1 + micro);
        const [y, record] = layer.forward(params, own, evalContext);
        if (x === null) own.dispose();
        return { y: isLast ? null : y, saved: { record, y: isLast ? y : null } };
      }),
    backward: (_micro, saved, dy) => timed("backward", () => backward(sink, saved, dy)),
    input: (_micro, saved, dy) => {
      const { sink: late, release } = deferGradients(params);
      const dx = timed("input", () => backward(late, saved, dy));
      return { dx, weight: () => timed("weight", () => release(sink)) };
    },
  };
}

/** Of each timed step: how long it took, and how long each action. */
function timeSchedule({ all: group }, { kind, chunks, micros, layers, rows, width, steps }) {
  const shape = [rows, width];
  const spent = { forward: [], backward: [], input: [], weight: [] };
  const models = Array.from({ length: chunks }, (_, chunk) => {
    const part = chunk * group.size + group.rank;
    const one = linear({ inFeatures: width, outFeatures: width, std: width ** -0.5 });
    const names = Array.from({ length: layers / chunks }, (__, i) => String(i));
    const layer = sequence(Object.fromEntries(names.map((name) => [name, one])));
    const params = materialize(layer.spec, 7);
    const { sink, take } = accumulate(params);
    const isLast = part === group.size * chunks - 1;
    return { layer, params, sink, take, isFirst: part === 0, isLast, shape };
  });
  const parts = models.map((model) => partOf(model, spent));
  const schedule = createSchedules(kind, { stages: group.size, microbatches: micros, chunks })[
    group.rank
  ];
  const lengths = [];
  for (let step = -1; step < steps; step += 1) {
    if (step === 0) for (const list of Object.values(spent)) list.length = 0;
    group.barrier();
    const start = seconds();
    execute({ chunks: parts, group, message: { shape: () => shape } }, schedule);
    group.barrier();
    if (step >= 0) lengths.push(seconds() - start);
    for (const { take } of models) disposeTree(take());
  }
  for (const { params } of models) disposeTree(params);
  return { lengths, spent };
}

export async function main(world, jobs) {
  enableProdMode();
  if (!loadNative({ OMP_NUM_THREADS: "1" })) return null;
  await setBackend("native");
  return jobs.map((job) => timeSchedule(world, job));
}

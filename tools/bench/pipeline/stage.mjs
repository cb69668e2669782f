// A rank of the pipeline suite: a stage of equal linear layers on one thread, timed action by action.

import { enableProdMode, randomNormal, setBackend } from "@tensorflow/tfjs-core";
import { loadNative } from "@tessera/kernels-native";
import { linear, stack, evalContext } from "@tessera/layers";
import { accumulate, disposeTree, materialize } from "@tessera/params";
import { execute, deferGradients, createSchedules } from "@tessera/pipeline-parallel";

/** @typedef {import("@tensorflow/tfjs-core").Tensor} Tensor */
/** @typedef {import("@tessera/params").Tree} Tree */
/** @typedef {import("@tessera/params").GradientSink<Tree>} Sink */
/** @typedef {import("@tessera/pipeline-parallel").Action["kind"]} Kind */
/** @typedef {Record<Kind, number[]>} Spent Seconds of each action, by kind. */
/** @typedef {{ record: Tree, y: Tensor | null }} Saved */
/** @typedef {{ spent: Spent, lengths: readonly number[] }} Timing Actions, and whole steps. */
/** @typedef {import("@tessera/pipeline-parallel").ScheduleKind} ScheduleKind */

/**
 * @typedef {object} Job
 * @property {ScheduleKind} kind
 * @property {number} chunks
 * @property {number} micros
 * @property {number} layers
 * @property {number} rows
 * @property {number} width
 * @property {number} steps
 */

/**
 * @typedef {object} TimedModel
 * @property {import("@tessera/layers").AnyLayer} layer
 * @property {Tree} params
 * @property {Sink} sink
 * @property {boolean} isFirst
 * @property {boolean} isLast
 * @property {[number, number]} shape
 */

const seconds = () => performance.now() / 1000;

/**
 * A chunk whose actions append their time to `spent`.
 * @param {TimedModel} model
 * @param {Spent} spent
 */
function timedChunk({ layer, params, sink, isFirst, isLast, shape }, spent) {
  /**
   * @template T
   * @param {Kind} kind
   * @param {() => T} work
   */
  const timed = (kind, work) => {
    const start = seconds();
    const result = work();
    spent[kind].push(seconds() - start);
    return result;
  };
  /**
   * @param {Sink} into
   * @param {Saved} saved
   * @param {Tensor | null} dy
   */
  const backward = (into, { record, y }, dy) => {
    const gradient = /** @type {Tensor} */ (y ?? dy); // the last chunk's own output stands for its gradient
    const dx = layer.backward(params, record, gradient, into, evalContext);
    y?.dispose();
    if (!isFirst) return dx;
    dx.dispose();
    return null;
  };
  /** @type {import("@tessera/pipeline-parallel").PipelineChunk<Saved>} */
  const chunk = {
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
  return chunk;
}

/**
 * Of each timed step: how long it took, and how long each action.
 * @param {import("@tessera/collectives").World} world
 * @param {Job} job
 * @returns {Timing}
 */
function timeSchedule({ all: group }, { kind, chunks, micros, layers, rows, width, steps }) {
  /** @type {[number, number]} */
  const shape = [rows, width];
  /** @type {Spent} */
  const spent = { forward: [], backward: [], input: [], weight: [] };
  const models = Array.from({ length: chunks }, (_, chunk) => {
    const index = chunk * group.size + group.rank;
    const one = linear({ inFeatures: width, outFeatures: width, std: width ** -0.5 });
    const names = Array.from({ length: layers / chunks }, (__, i) => String(i));
    const layer = stack(Object.fromEntries(names.map((name) => [name, one])));
    const params = materialize(layer.spec, 7);
    const { sink, take } = accumulate(params);
    const isLast = index === group.size * chunks - 1;
    return { layer, params, sink, take, isFirst: index === 0, isLast, shape };
  });
  const timed = models.map((model) => timedChunk(model, spent));
  const schedule = createSchedules(kind, { stages: group.size, microbatches: micros, chunks })[
    group.rank
  ];
  /** @type {number[]} */
  const lengths = [];
  for (let step = -1; step < steps; step += 1) {
    if (step === 0) for (const list of Object.values(spent)) list.length = 0;
    group.barrier();
    const start = seconds();
    execute({ chunks: timed, group, message: { shape: () => shape } }, schedule);
    group.barrier();
    if (step >= 0) lengths.push(seconds() - start);
    for (const { take } of models) disposeTree(take());
  }
  for (const { params } of models) disposeTree(params);
  return { lengths, spent };
}

/**
 * Null where the native engine is not built.
 * @param {import("@tessera/collectives").World} world
 * @param {readonly Job[]} jobs
 */
export async function main(world, jobs) {
  enableProdMode();
  if (!loadNative({ OMP_NUM_THREADS: "1" })) return null;
  await setBackend("native");
  return jobs.map((job) => timeSchedule(world, job));
}

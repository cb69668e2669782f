// Steps of decoding: one token more for each of some rows. Their calls of kernels are the same at every step, so where the
// backend can, they are captured once and replayed.

import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { captureBackend, type Captured, type CaptureBackend } from "@tessera/kernels/memory";

/** What a step computes from: token ids and their positions [rows, 1] (int32), which it borrows. */
export interface DecodeInputs {
  readonly ids: Tensor;
  readonly positions: Tensor;
  readonly firstRow: number;
  /** Tokens that each row holds. */
  readonly lengths: readonly number[];
}

/** A step that was captured, in memory of its own. */
interface CapturedStep {
  readonly inputs: DecodeInputs;
  readonly logits: Captured<Tensor>;
  /** Whether a replay of other lengths gave what the model gave: else JavaScript may have made something of them. */
  isChecked: boolean;
}

/** Steps of decoding by one model. */
export interface DecodeSteps {
  /** The logits [rows, vocabulary] after `ids`, one for each row from `firstRow` on. */
  run(firstRow: number, lengths: readonly number[], ids: Int32Array): Float32Array;
  dispose(): void;
}

/** Steps of which `compute` returns the logits. */
export function decodeSteps(compute: (inputs: DecodeInputs) => Tensor): DecodeSteps {
  const steps = new Map<string, CapturedStep>();
  let backend = captureBackend();
  const forget = (step: CapturedStep): void => {
    disposeInputs(step.inputs);
    step.logits.result.dispose();
    step.logits.dispose();
  };
  const dispose = (): void => {
    for (const step of steps.values()) forget(step);
    steps.clear();
  };
  /** From now on no step is replayed: a layer computes in JavaScript. */
  const giveUp = (): void => {
    dispose();
    backend = null;
  };
  return {
    run(firstRow, lengths, ids) {
      const computed = () => computeOnce(compute, inputsOf(firstRow, lengths, ids));
      if (backend === null) return computed();
      const key = `${firstRow} ${lengths.length}`;
      const step = steps.get(key);
      if (step === undefined) {
        const captured = captureStep(backend, compute, inputsOf(firstRow, lengths, ids));
        steps.set(key, captured);
        const values = captured.logits.result.dataSync<"float32">();
        if (!captured.logits.isWhole) giveUp();
        return values;
      }
      if (step.isChecked) return replay(backend, step, lengths, ids);
      // Only other lengths show whether JavaScript has made something of them.
      if (lengths.some((length, i) => length === step.inputs.lengths[i])) return computed();
      const replayed = replay(backend, step, lengths, ids);
      const values = computed();
      step.isChecked = isSame(replayed, values);
      if (!step.isChecked) giveUp();
      return values;
    },
    dispose,
  };
}

function captureStep(
  backend: CaptureBackend,
  compute: (inputs: DecodeInputs) => Tensor,
  inputs: DecodeInputs,
): CapturedStep {
  // On the backend before, so that whoever reads them is seen to.
  overwriteInputs(backend, inputs, inputs.lengths, inputs.ids.dataSync<"int32">());
  const logits = backend.capture(inputs.lengths, () => compute(inputs));
  return { inputs, logits, isChecked: false };
}

function overwriteInputs(
  backend: CaptureBackend,
  inputs: DecodeInputs,
  lengths: readonly number[],
  ids: Int32Array,
): void {
  backend.overwrite(inputs.ids, ids);
  backend.overwrite(inputs.positions, Int32Array.from(lengths));
}

function inputsOf(firstRow: number, lengths: readonly number[], ids: Int32Array): DecodeInputs {
  const shape: [number, number] = [lengths.length, 1];
  return {
    ids: tensor(ids, shape, "int32"),
    positions: tensor([...lengths], shape, "int32"),
    firstRow,
    lengths,
  };
}

function disposeInputs({ ids, positions }: DecodeInputs): void {
  ids.dispose();
  positions.dispose();
}

function computeOnce(
  compute: (inputs: DecodeInputs) => Tensor,
  inputs: DecodeInputs,
): Float32Array {
  const logits = compute(inputs);
  const values = logits.dataSync<"float32">();
  logits.dispose();
  disposeInputs(inputs);
  return values;
}

function replay(
  backend: CaptureBackend,
  { inputs, logits }: CapturedStep,
  lengths: readonly number[],
  ids: Int32Array,
): Float32Array {
  overwriteInputs(backend, inputs, lengths, ids);
  logits.replay(lengths);
  return logits.result.dataSync<"float32">();
}

/** Bit by bit, as NaN is not equal to itself. */
const isSame = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  );

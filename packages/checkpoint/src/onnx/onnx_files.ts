// Writes the two files of an ONNX model, tensor by tensor, and verifies them before use.

import { closeSync, fsyncSync, openSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { writeError, writeFileAtomic, writeFully } from "@tessera/files";
import type { GptConfig } from "@tessera/gpt";
import type { WriteProgress } from "../hugging_face/write_model.js";
import {
  DATA_FILE,
  GRAPH_FILE,
  onnxFormats,
  onnxModel,
  onnxPrecisions,
  type OnnxPrecision,
} from "./onnx_model.js";

/**
 * Writes model.onnx and model.onnx.data into `folder`. Yields after each tensor how far it is; the caller may stop
 * there. One tensor is in memory at a time.
 *
 * @throws UserError for a model that the graph does not know, values that fp16 cannot hold, or a full disk.
 */
export function* writeOnnxSteps(
  folder: string,
  config: GptConfig,
  valuesAt: (path: string) => Float32Array,
  precision: OnnxPrecision,
): Generator<WriteProgress, void> {
  const { graph, tensors, dataBytes: totalBytes } = onnxModel(config, precision);
  const path = join(folder, DATA_FILE);
  const descriptor = openSync(path, "w");
  try {
    for (const { name, offset, elements, table } of tensors) {
      const values = table === null ? valuesAt(name) : table();
      if (values.length !== elements) throw new RangeError(`${name} has ${values.length} elements`);
      if (precision === "fp16") checkFp16Range(values, name);
      const bytes = onnxFormats[precision].file.encode(values);
      writeFully(descriptor, bytes, offset);
      yield { doneBytes: offset + bytes.length, totalBytes };
    }
    truncateSync(path, totalBytes);
    fsyncSync(descriptor);
  } catch (error) {
    throw writeError(path, error);
  } finally {
    closeSync(descriptor);
  }
  writeFileAtomic(join(folder, GRAPH_FILE), graph);
}

const LARGEST_HALF = 65504;

function checkFp16Range(values: Float32Array, name: string): void {
  const at = values.findIndex((value) => Math.abs(value) > LARGEST_HALF);
  if (at < 0) return;
  throw new UserError(`${name} holds ${values[at]}, which fp16 cannot: convert to fp32`);
}

/** An ONNX model on disk. */
export interface OnnxFiles {
  /** Path of the graph; the weights are beside it. */
  readonly path: string;
  readonly precision: OnnxPrecision;
}

/**
 * The ONNX model in `folder`, which has `config`.
 *
 * @throws UserError unless its graph is, byte for byte, the one that is written for `config`, and its data file has the
 * size that this graph reads.
 */
export function findOnnx(folder: string, config: GptConfig): OnnxFiles {
  const path = join(folder, GRAPH_FILE);
  const models = onnxPrecisions.map((precision) => ({
    precision,
    ...onnxModel(config, precision),
  }));
  const most = Math.max(...models.map(({ graph }) => graph.length));
  const graph = sizeOf(path) <= most ? readFileSync(path) : null;
  const found = models.find((model) => graph?.equals(model.graph));
  if (found === undefined) {
    throw new UserError(
      `${path}: is not the graph that tessera convert writes for the config.json beside it; convert the model again`,
    );
  }
  const dataPath = join(folder, DATA_FILE);
  const bytes = sizeOf(dataPath);
  if (bytes !== found.dataBytes) {
    throw new UserError(`${dataPath}: has ${bytes} bytes, its graph reads ${found.dataBytes}`);
  }
  return { path, precision: found.precision };
}

function sizeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile()) return stats.size;
  throw new UserError(`${path}: is no file; tessera convert --to onnx makes it`);
}

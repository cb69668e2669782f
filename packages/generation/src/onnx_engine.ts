// An ONNX model as an engine, on onnxruntime-node.

import { findOnnx, onnxNames as NAMES } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import type * as Runtime from "onnxruntime-node";
import { engineSizes, type Engine, type EngineOptions } from "./engine.js";
import type { OnnxDevice } from "./onnx_devices.js";
import { openSession } from "./onnx_session.js";
import { createRowCache, type Elements, type RowCache } from "./row_cache.js";

/** Sizes, threads and device of an engine on ONNX Runtime. */
export interface OnnxEngineOptions extends EngineOptions {
  /** Default: one per core. */
  readonly threads?: number;
  /** Default: "cpu". */
  readonly device?: OnnxDevice;
}

/** An engine on ONNX Runtime. */
export interface OnnxEngine extends Engine {
  /** What computes: the device and, where some operations are left to the CPU, how many. */
  readonly computesOn: string;
}

/** @throws UserError that says how to get onnxruntime-node, where it is not installed. */
async function loadRuntime(): Promise<typeof Runtime> {
  try {
    return await import("onnxruntime-node");
  } catch (error) {
    const [why] = (error as Error).message.split("\n", 1);
    throw new UserError(
      "ONNX models need onnxruntime-node, which cannot be loaded: run ONNXRUNTIME_NODE_INSTALL=skip " +
        `npm install onnxruntime-node (${why})`,
    );
  }
}

/** A layer's keys or values, under their names in the graph. */
interface CacheOfLayer {
  readonly past: string;
  readonly added: string;
  readonly cache: RowCache;
}

/**
 * The ONNX model in `folder`, which has `config`.
 * @throws UserError where `tessera convert` has not written it, onnxruntime-node is not installed, or the device is not
 * there, does not start, or would leave products of matrices to the CPU.
 */
export async function onnxEngine(
  folder: string,
  config: GptConfig,
  options: OnnxEngineOptions = {},
): Promise<OnnxEngine> {
  const { path, precision } = findOnnx(folder, config);
  const runtime = await loadRuntime();
  const { Tensor } = runtime;
  const { device = "cpu", threads = 0 } = options;
  const { session, confirmDevice } = await openSession(runtime, path, { device, threads });
  const { vocabularySize, kvHeadCount: heads, headSize: depth } = config;
  const { rows, maxPositions } = engineSizes(config, options);
  const type = precision === "fp16" ? "float16" : "float32";
  const caches = cachesOf({ ...config, maxPositions }, rows, type);
  const int64 = (values: readonly number[] | Int32Array, dims: readonly number[]): Runtime.Tensor =>
    new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  const wanted = [NAMES.logits, ...caches.map(({ added }) => added)];

  const engine: Engine = {
    name: "onnx",
    vocabularySize,
    maxPositions,
    rows,
    async run({ firstRow, lengths, ids, keep }) {
      const batch = lengths.length;
      const time = ids.length / batch;
      const held = caches.map(({ past, cache }) => {
        cache.reserve(Math.max(...lengths) + time);
        const dims = [batch, heads, cache.capacity, depth];
        return [past, new Tensor(type, cache.view(firstRow, batch), dims)] as const;
      });
      const feeds = {
        [NAMES.ids]: int64(ids, [batch, time]),
        [NAMES.lengths]: int64(lengths, [batch]),
        [NAMES.keep]: int64([keep], []),
        ...Object.fromEntries(held),
      };
      const made = await session.run(feeds, wanted);
      for (const { added, cache } of caches) {
        const elements = elementsOf(made[added]!);
        const size = elements.length / batch;
        lengths.forEach((length, i) =>
          cache.put(firstRow + i, length, elements.subarray(i * size, (i + 1) * size)),
        );
      }
      return made[NAMES.logits]!.data as Float32Array;
    },
    copyRow(from, to) {
      for (const { cache } of caches) cache.copy(from, to);
    },
    close: () => session.release(),
  };
  // A token in row 0, which holds none: the next one is written over it.
  const token = { firstRow: 0, lengths: [0], ids: Int32Array.of(0), keep: 1 };
  return { ...engine, computesOn: await confirmDevice(() => engine.run(token)) };
}

type FloatType = "float16" | "float32";

function cachesOf(config: GptConfig, rows: number, type: FloatType): readonly CacheOfLayer[] {
  const { layerCount, kvHeadCount: heads, headSize: depth, maxPositions: maxTokens } = config;
  const make = (size: number): Elements =>
    type === "float16" ? new Uint16Array(size) : new Float32Array(size);
  return Array.from({ length: layerCount }, (_, layer) => layer).flatMap((layer) =>
    (["key", "value"] as const).map((part) => ({
      past: NAMES.past(layer, part),
      added: NAMES.added(layer, part),
      cache: createRowCache({ rows, heads, depth, maxTokens, make }),
    })),
  );
}

/** What a tensor holds; halves as their bits, whichever type of array this Node has for them. */
function elementsOf({ data, type }: Runtime.Tensor): Elements {
  if (type === "float32") return data as Float32Array;
  const { buffer, byteOffset, length } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}

// A GPT as an ONNX model in two files: model.onnx is the graph, which is a function of the configuration and the
// precision, and model.onnx.data has the weights. The graph is built again and compared when a model is opened, so that
// no other graph is ever run.

import type { GptConfig } from "@tessera/gpt";
import { formats } from "../dtype.js";
import { rotaryTable } from "./attention_graph.js";
import { buildGptGraph } from "./gpt_graph.js";
import { graphBuilder, type ElementType } from "./graph.js";
import { checkSupported } from "./supported.js";

export const GRAPH_FILE = "model.onnx";
export const DATA_FILE = "model.onnx.data";

/** Precisions of weights and activations. */
export const onnxPrecisions = ["fp32", "fp16"] as const;
/** fp32 or fp16, of weights and activations. */
export type OnnxPrecision = (typeof onnxPrecisions)[number];

/** Tensors start at pages, so that a runtime can memory-map them. */
const PAGE = 4096;

/** A tensor of the data file. */
export interface DataTensor {
  readonly name: string;
  readonly offset: number;
  readonly elements: number;
  /** Its values, if they follow from the configuration; null for a parameter. */
  readonly table: (() => Float32Array) | null;
}

export interface OnnxModel {
  readonly graph: Uint8Array;
  /** In the order of the data file. */
  readonly tensors: readonly DataTensor[];
  /** Size of the data file. */
  readonly dataBytes: number;
}

interface OnnxFormat {
  readonly type: ElementType & ("float" | "float16");
  readonly file: (typeof formats)["F32"];
}

export const onnxFormats: Readonly<Record<OnnxPrecision, OnnxFormat>> = {
  fp32: { type: "float", file: formats.F32 },
  fp16: { type: "float16", file: formats.F16 },
};

/**
 * The model's graph, and where its tensors are in the data file. Takes no memory for their values.
 *
 * @throws UserError where `config` has a field, or a value of one, that the graph does not know.
 */
export function onnxModel(config: GptConfig, precision: OnnxPrecision): OnnxModel {
  checkSupported(config);
  const graph = graphBuilder("gpt");
  const { type, file } = onnxFormats[precision];
  const tensors = new Map<string, DataTensor>();
  let dataBytes = 0;
  const weight = (name: string, shape: readonly number[]): string => {
    if (tensors.has(name)) return name;
    const elements = shape.reduce((a, b) => a * b, 1);
    const at = { offset: dataBytes, length: elements * file.bytes };
    tensors.set(name, { name, offset: at.offset, elements, table: rotaryTableOf(config, name) });
    dataBytes = PAGE * Math.ceil((at.offset + at.length) / PAGE);
    return graph.external(name, type, shape, at);
  };
  buildGptGraph({ graph, config, type, weight });
  return { graph: graph.finish(DATA_FILE), tensors: [...tensors.values()], dataBytes };
}

function rotaryTableOf(config: GptConfig, name: string): (() => Float32Array) | null {
  if (name === "rotary.cosine") return () => rotaryTable(config, Math.cos);
  if (name === "rotary.sine") return () => rotaryTable(config, Math.sin);
  return null;
}

// Kernels whose constants change from call to call: they become inputs, so that the program stays the same.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { rotaryTables, sizeOf, type RotaryAttributes } from "@tessera/kernels/contract";
import { rotary as rotaryKernel } from "@tessera/kernels";
import { TYPES } from "../binding.js";
import { runComposite, type KernelCall } from "../contract.js";
import { opsOf } from "../ops.js";

const { int32, fp32 } = TYPES;

/** `whole` with the elements of `part` from element `first` on. */
export function put({ backend, inputs, attributes, shapes }: KernelCall): TensorInfo[] {
  const { whole, part } = inputs;
  const first = backend.uploadValues(Int32Array.of(attributes["first"] as number), [1], "int32");
  const flat = (x: TensorInfo): TensorInfo => ({ ...x, shape: [sizeOf(x.shape)] });
  const made = backend.run({
    key: "put",
    inputs: [flat(whole!), flat(part!), first],
    isCompiled: false,
    shapes,
    emit(graph, [all, some, from]) {
      const end = opsOf(graph).add(from!, graph.ints([some!.shape[0]!]));
      return [
        graph.op(
          "TensorStridedSliceUpdate",
          [all!, from!, end, graph.ints([1]), graph.cast(some!, all!.type)],
          [["Index", "type", int32]],
        ),
      ];
    },
  });
  backend.disposeData(first.dataId);
  return made;
}

/** Positions that begin at 0 are those of training, and are constants. Others change with every token. */
export function rotary(call: KernelCall): TensorInfo[] {
  const { backend, inputs, shapes } = call;
  const attributes = call.attributes as unknown as RotaryAttributes;
  const { frequencies, pairs, heads, starts } = attributes;
  if (starts.every((start) => start === 0)) return runComposite(rotaryKernel, call);
  const [, time] = inputs["x"]!.shape as [number, number];
  const half = frequencies.length;
  const dims = 2 * half;
  const { shape, ...tables } = rotaryTables(time, attributes);
  const cosine = backend.uploadValues(tables.cosine, shape, "fp32");
  const sine = backend.uploadValues(tables.sine, shape, "fp32");
  const made = backend.run({
    key: `rotary${dims},${pairs},${heads}`,
    inputs: [inputs["x"]!, cosine, sine],
    shapes,
    emit(graph, [given, cos, sin]) {
      const { add, sub, mul, slice, concat } = opsOf(graph);
      const x = graph.cast(given!, fp32);
      const [batch, , held, depth] = x.shape as [number, number, number, number];
      const axis = pairs === "halves" ? 3 : 4;
      const inPairs = [batch, time, heads, half];
      inPairs.splice(axis, 0, 2);
      const moved = graph.reshape(slice(x, [0, 0, 0, 0], [batch, time, heads, dims]), inPairs);
      const part = (index: number) => {
        const begin = inPairs.map((_, i) => (i === axis ? index : 0));
        return graph.reshape(slice(moved, begin, inPairs.with(axis, 1)), [
          batch,
          time,
          heads,
          half,
        ]);
      };
      const [a, b] = [part(0), part(1)];
      const turned = [sub(mul(a, cos!), mul(b, sin!)), add(mul(a, sin!), mul(b, cos!))].map((one) =>
        graph.reshape(one, inPairs.with(axis, 1)),
      );
      const head = graph.reshape(concat(turned, axis), [batch, time, heads, dims]);
      const rest = slice(x, [0, 0, 0, dims], [batch, time, heads, depth - dims]);
      const others = slice(x, [0, 0, heads, 0], [batch, time, held - heads, depth]);
      return [graph.cast(concat([concat([head, rest], 3), others], 2), given!.type)];
    },
  });
  for (const { dataId } of [cosine, sine]) backend.disposeData(dataId);
  return made;
}

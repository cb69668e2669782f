// TensorFlow's settings of a process, as it takes them: a serialized ConfigProto.

/** Numbers of fields in `tensorflow/core/protobuf/config.proto`. */
const FIELDS = { intraOpThreads: 2, interOpThreads: 5, gpuOptions: 6, softPlacement: 7 } as const;
const ALLOW_GROWTH = 4;

const VARINT = 0;
const BYTES = 2;

/** A whole number below 2^31 in the wire format. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 128) return [...bytes, left];
    bytes.push((left & 127) | 128);
  }
}

const number = (field: number, value: number): number[] => [
  ...varint((field << 3) | VARINT),
  ...varint(value),
];

/**
 * `threads` for each operation, 0 for one for each processor; operations run one after the other, as they are called.
 * What a GPU has no kernel for runs on the processor.
 */
export function configurationOf(threads: number): Uint8Array {
  const gpuOptions = number(ALLOW_GROWTH, 1);
  return Uint8Array.from([
    ...(threads > 0 ? number(FIELDS.intraOpThreads, threads) : []),
    ...number(FIELDS.interOpThreads, 1),
    ...varint((FIELDS.gpuOptions << 3) | BYTES),
    ...varint(gpuOptions.length),
    ...gpuOptions,
    ...number(FIELDS.softPlacement, 1),
  ]);
}

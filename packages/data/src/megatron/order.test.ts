import { afterAll, describe, expect, test } from "@jest/globals";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  blendIndices,
  createDatasetWriter,
  openGptDataset,
  openIndexedDataset,
  splitDocuments,
  type SplitName,
} from "../megatron.js";

// What Megatron-DeepSpeed's own code gives for three small datasets.
const FOLDER = join(__dirname, "../../fixtures/megatron");

interface Case {
  data: string;
  name: SplitName;
  split: string;
  num_samples: number;
  seq_length: number;
  seed: number;
  split_documents: number[];
  length: number;
  doc_idx: number[];
  sample_idx: [number, number][];
  shuffle_idx: number[];
  samples: Record<string, number[]>;
}

const expected = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8")) as {
  documents: Record<string, number[]>;
  cases: Case[];
  blending: {
    weights: number[];
    size: number;
    dataset_index: number[];
    dataset_sample_index: number[];
  }[];
};

const scratch = mkdtempSync(join(tmpdir(), "tessera-megatron-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each(expected.cases)("$data $name of $split, $num_samples x $seq_length", (golden) => {
  const prefix = join(FOLDER, golden.data);

  test("the split is Megatron's", () => {
    const { length } = openIndexedDataset(prefix).lengths;
    expect(splitDocuments(golden.split, length)).toEqual(golden.split_documents);
  });

  test("every index and sample is Megatron's", async () => {
    const dataset = (await openGptDataset({
      prefix,
      name: golden.name,
      split: golden.split,
      sampleCount: golden.num_samples,
      sequenceLength: golden.seq_length,
      seed: golden.seed,
      cacheFolder: scratch,
    }))!;
    const all = ({
      slice,
      length,
    }: {
      slice: typeof dataset.shuffleIndex.slice;
      length: number;
    }) => [...slice(0, length)];
    expect(dataset.count).toBe(golden.length);
    expect(all(dataset.documentIndex)).toEqual(golden.doc_idx);
    expect(all(dataset.sampleIndex)).toEqual(golden.sample_idx.flat());
    expect(all(dataset.shuffleIndex)).toEqual(golden.shuffle_idx);
    expect(Object.keys(golden.samples)).not.toHaveLength(0);
    for (const [index, tokens] of Object.entries(golden.samples)) {
      const out = new Int32Array(golden.seq_length + 1);
      dataset.read(Number(index), out);
      expect([...out]).toEqual(tokens);
    }
    dataset.close();
  });
});

test.each(expected.blending)(
  "blending by $weights is Megatron's",
  ({ weights, size, ...golden }) => {
    const { dataset, sample } = blendIndices(weights, size);
    expect([...dataset]).toEqual(golden.dataset_index);
    expect([...sample]).toEqual(golden.dataset_sample_index);
  },
);

test.each(Object.entries(expected.documents))(
  "writing %s gives its files byte for byte",
  (name, lengths) => {
    const golden = openIndexedDataset(join(FOLDER, name));
    const copy = join(scratch, name);
    const writer = createDatasetWriter(copy, golden.dtype === "u16" ? "u16" : "i32");
    lengths.forEach((length, i) => {
      const tokens = new Int32Array(length);
      golden.read(i, 0, length, tokens);
      writer.append(tokens);
      writer.endDocument();
    });
    writer.finish();
    for (const ending of [".bin", ".idx"]) {
      expect(readFileSync(copy + ending).equals(readFileSync(join(FOLDER, name) + ending))).toBe(
        true,
      );
    }
  },
);

// Megatron's three indices. The document index has all documents of all epochs, shuffled. Concatenated, they are cut
// into samples, whose boundaries are the sample index. The shuffle index is the order of the samples.

import { UserError } from "@tessera/config";
import { mt19937, shuffle, type RandomBits } from "./mt19937.js";
import { reportStage, type Progress } from "../progress.js";

/** The indices of a split. */
export interface GptIndices {
  /** Megatron's `doc_idx`. */
  readonly documentIndex: Int32Array;
  /** Start of sample i: at 2i the entry of the document index, at 2i + 1 the token in that document. */
  readonly sampleIndex: Int32Array;
  /** Megatron's `shuffle_idx`. */
  readonly shuffleIndex: Uint32Array;
}

/** What the indices are a function of. */
export interface IndicesOptions {
  /** Length of each document of the dataset, in tokens. */
  readonly lengths: Readonly<Record<number, number>>;
  /** The documents of the split are [first, end). */
  readonly first: number;
  readonly end: number;
  /** Minimum number of samples. */
  readonly sampleCount: number;
  /** Inputs of a sample, which has one token more. */
  readonly sequenceLength: number;
  readonly seed: number;
  readonly progress?: Progress;
}

/**
 * Builds the indices.
 *
 * @throws UserError where the documents cannot make so many samples.
 */
export function buildIndices(options: IndicesOptions): GptIndices {
  const { lengths, first, end, sequenceLength, seed, progress } = options;
  let tokensPerEpoch = 0;
  for (let document = first; document < end; document += 1) tokensPerEpoch += lengths[document]!;
  const epochs = planEpochs(options, tokensPerEpoch);
  const randomBits = mt19937(seed);
  const documentIndex = shuffleDocuments(options, epochs, randomBits);
  const count = Math.floor((epochs.count * tokensPerEpoch - 1) / sequenceLength);
  const sampleIndex = buildSampleIndex(options, documentIndex, count);
  const shuffleIndex = Uint32Array.from({ length: count }, (_, i) => i);
  const shuffledTogether = epochs.isLastSeparate ? epochs.samplesBefore : count;
  const shuffled = reportStage(progress, "shuffling samples");
  shuffle(shuffleIndex.subarray(0, shuffledTogether), randomBits, shuffled);
  shuffle(shuffleIndex.subarray(shuffledTogether), randomBits, shuffled);
  return { documentIndex, sampleIndex, shuffleIndex };
}

interface Epochs {
  readonly count: number;
  /** Whether the last epoch is shuffled separately, as only a small part of it is needed. */
  readonly isLastSeparate: boolean;
  /** Samples of all epochs except the last. */
  readonly samplesBefore: number;
}

const INDEX_LIMIT = 2 ** 31;

function planEpochs(options: IndicesOptions, tokensPerEpoch: number): Epochs {
  const { first, end, sampleCount, sequenceLength } = options;
  const needed = sampleCount * sequenceLength + 1;
  const count = Math.max(1, Math.ceil(needed / tokensPerEpoch));
  if (!Number.isSafeInteger(count * tokensPerEpoch)) {
    throw new UserError(
      `${end - first} documents with ${tokensPerEpoch} tokens cannot make ${sampleCount} samples`,
    );
  }
  if (count * (end - first) >= INDEX_LIMIT) {
    throw new UserError(
      `${sampleCount} samples take ${count} epochs of ${end - first} documents, which are more than ` +
        "the index can count: ask for fewer samples",
    );
  }
  const samplesBefore = Math.floor(((count - 1) * tokensPerEpoch - 1) / sequenceLength);
  const perEpoch = Math.floor((tokensPerEpoch - 1) / sequenceLength);
  const neededOfLast = sampleCount - samplesBefore;
  const isLastSeparate = count > 1 && neededOfLast < Math.trunc(0.8 * perEpoch);
  return { count, isLastSeparate, samplesBefore };
}

function shuffleDocuments(
  { first, end, progress }: IndicesOptions,
  { count, isLastSeparate }: Epochs,
  randomBits: RandomBits,
): Int32Array {
  const perEpoch = end - first;
  const documents = new Int32Array(count * perEpoch);
  for (let i = 0; i < documents.length; i += 1) documents[i] = first + (i % perEpoch);
  const shuffledTogether = (isLastSeparate ? count - 1 : count) * perEpoch;
  const shuffled = reportStage(progress, "shuffling documents");
  shuffle(documents.subarray(0, shuffledTogether), randomBits, shuffled);
  shuffle(documents.subarray(shuffledTogether), randomBits, shuffled);
  return documents;
}

const REPORT_EVERY = 2 ** 18;

/** The last token of a sample is also the first of the next. */
function buildSampleIndex(
  { lengths, sequenceLength, progress }: IndicesOptions,
  documents: Int32Array,
  count: number,
): Int32Array {
  const bounds = new Int32Array(2 * (count + 1));
  let entry = 0;
  let token = 0;
  for (let sample = 1; sample <= count; sample += 1) {
    let wanted = sequenceLength + 1;
    for (;;) {
      const left = lengths[documents[entry]!]! - token;
      if (left >= wanted) break;
      wanted -= left;
      entry += 1;
      token = 0;
    }
    token += wanted - 1;
    bounds[2 * sample] = entry;
    bounds[2 * sample + 1] = token;
    if (sample % REPORT_EVERY === 0) progress?.("cutting samples", sample, count);
  }
  return bounds;
}

// Megatron's three arrays. The document index is all documents of all epochs, shuffled. Laid end to
// end they are cut into samples, of which the sample index has the borders. The shuffle index is the
// order in which samples are taken.

import { UserError } from "@tessera/config";
import { mt19937, shuffle, type RandomBits } from "./mt19937.js";
import { reportStage, type Progress } from "../progress.js";

export interface GptIndices {
  readonly documentIndex: Int32Array;
  /** Of sample i: at 2i its first document's place in the document index, at 2i + 1 the token. */
  readonly sampleIndex: Int32Array;
  readonly shuffleIndex: Uint32Array;
}

export interface IndicesOptions {
  /** Of every document of the dataset, in tokens. */
  readonly lengths: Readonly<Record<number, number>>;
  /** The documents of the split: from `first` to before `end`. */
  readonly first: number;
  readonly end: number;
  /** At least so many are wanted. */
  readonly sampleCount: number;
  /** Inputs of a sample; it has one token more. */
  readonly sequenceLength: number;
  readonly seed: number;
  readonly progress?: Progress;
}

/** Builds the indices. Throws a UserError if the documents have no token. */
export function buildIndices(options: IndicesOptions): GptIndices {
  const { lengths, first, end, sequenceLength, seed, progress } = options;
  let tokensPerEpoch = 0;
  for (let document = first; document < end; document += 1) tokensPerEpoch += lengths[document]!;
  const epochs = planEpochs(options, tokensPerEpoch);
  const draw = mt19937(seed);
  const documentIndex = shuffleDocuments(options, epochs, draw);
  const count = Math.floor((epochs.count * tokensPerEpoch - 1) / sequenceLength);
  const sampleIndex = buildSampleIndex(options, documentIndex, count);
  const shuffleIndex = Uint32Array.from({ length: count }, (_, i) => i);
  const inFront = epochs.isLastSeparate ? epochs.samplesBefore : count;
  const shuffled = reportStage(progress, "shuffling samples");
  shuffle(shuffleIndex.subarray(0, inFront), draw, shuffled);
  shuffle(shuffleIndex.subarray(inFront), draw, shuffled);
  return { documentIndex, sampleIndex, shuffleIndex };
}

interface Epochs {
  readonly count: number;
  /** The last epoch is shuffled by itself, because only a small part of it is wanted. */
  readonly isLastSeparate: boolean;
  /** Samples of all epochs but the last. */
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
  const wantedOfLast = sampleCount - samplesBefore;
  const lastApart = count > 1 && wantedOfLast < Math.trunc(0.8 * perEpoch);
  return { count, isLastSeparate: lastApart, samplesBefore };
}

function shuffleDocuments(
  { first, end, progress }: IndicesOptions,
  { count, isLastSeparate }: Epochs,
  draw: RandomBits,
): Int32Array {
  const perEpoch = end - first;
  const documents = new Int32Array(count * perEpoch);
  for (let i = 0; i < documents.length; i += 1) documents[i] = first + (i % perEpoch);
  const inFront = (isLastSeparate ? count - 1 : count) * perEpoch;
  const shuffled = reportStage(progress, "shuffling documents");
  shuffle(documents.subarray(0, inFront), draw, shuffled);
  shuffle(documents.subarray(inFront), draw, shuffled);
  return documents;
}

const REPORT_EVERY = 2 ** 18;

/** A sample's last token is also the first of the next. */
function buildSampleIndex(
  { lengths, sequenceLength, progress }: IndicesOptions,
  documents: Int32Array,
  count: number,
): Int32Array {
  const borders = new Int32Array(2 * (count + 1));
  let place = 0;
  let token = 0;
  for (let sample = 1; sample <= count; sample += 1) {
    let wanted = sequenceLength + 1;
    for (;;) {
      const left = lengths[documents[place]!]! - token;
      if (left >= wanted) break;
      wanted -= left;
      place += 1;
      token = 0;
    }
    token += wanted - 1;
    borders[2 * sample] = place;
    borders[2 * sample + 1] = token;
    if (sample % REPORT_EVERY === 0) progress?.("cutting samples", sample, count);
  }
  return borders;
}

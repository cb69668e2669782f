// The head of a model whose vocabulary ranks share. Each makes the logits of its own tokens, for a chunk
// of positions at a time; what ranks tell each other are three numbers per position.

import {
  add,
  pad,
  exp,
  log,
  max,
  mul,
  reshape,
  slice,
  sub,
  sum,
  tidy,
  unstack,
  zerosLike,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { UserError } from "@tessera/config";
import { call, product, vocabularySlice, vocabularySliceGradient } from "@tessera/kernels";
import {
  matrix,
  vocabularyCut,
  vocabularySpan,
  type Head,
  type Targets,
  type VocabularyOptions,
  type VocabularyParams,
} from "@tessera/layers";
import type { Span } from "@tessera/mesh";
import type { Border } from "./border.js";

/** How much memory the logits of a chunk may take. */
const LOGIT_BYTES = 64 * 2 ** 20;

export function sharedVocabularyHead(
  { vocabulary, width, deviation, bias }: VocabularyOptions,
  border: Border,
  group: ProcessGroup,
): Head<VocabularyParams> {
  if (bias) throw new UserError("a head with a bias cannot be shared out to tensor-parallel ranks");
  const cut = vocabularyCut(vocabulary);
  const held = vocabularySpan(vocabulary, { index: group.rank, count: group.size });
  const gathered = <R>(x: Tensor, use: (whole: Tensor) => R): R => {
    const whole = border.gather(x).wait();
    const result = use(whole);
    whole.dispose();
    return result;
  };
  return {
    spec: { table: { ...matrix([vocabulary, width], cut, deviation), inside: true } },
    loss: ({ table }, x, targets) =>
      gathered(x, (whole) => {
        const positions = { x: whole, table, targets, held };
        return sumOver(chunksOf(positions), (chunk) => {
          const { exps, loss, factors } = probabilities(positions, chunk, group);
          exps.dispose();
          factors.dispose();
          return loss;
        });
      }),
    lossAndGradient({ table }, x, targets, sink) {
      const { loss, dx, dTable } = gathered(x, (whole) =>
        gradientsOf({ x: whole, table, targets, held }, group),
      );
      const sum = border.sum(dx);
      dx.dispose();
      sink.table(dTable);
      return { loss, dx: sum.wait() };
    },
    logits: ({ table }, x) =>
      gathered(x, (whole) => {
        const { y } = call(product, { x: whole, weight: table }, { transpose: true });
        return joined(y, vocabulary, group);
      }),
  };
}

/** All positions of a batch, and the rank's rows of the table. */
interface Positions {
  readonly x: Tensor; // [batch, time, width]
  readonly table: Tensor; // [held tokens, width]
  readonly targets: Targets;
  readonly held: Span;
}

/** Some positions in a row. */
interface Chunk {
  readonly first: number;
  readonly count: number;
}

function chunksOf({ targets, held }: Positions): Chunk[] {
  const { size } = targets.ids;
  const most = Math.max(1, Math.floor(LOGIT_BYTES / (4 * held.size)));
  const chunks = Math.ceil(size / most);
  const each = Math.ceil(size / chunks);
  return Array.from({ length: chunks }, (_, i) => ({
    first: i * each,
    count: Math.min(each, size - i * each),
  }));
}

/** The sum of scalars, one per chunk. */
function sumOver(chunks: readonly Chunk[], use: (chunk: Chunk) => Tensor): Tensor {
  return chunks.map(use).reduce((total, one) => {
    const sum = add<Tensor>(total, one);
    total.dispose();
    one.dispose();
    return sum;
  });
}

/**
 * The loss of a chunk; this rank's exps [count, held tokens]; and by what to multiply them for
 * weight x softmax, [count].
 */
function probabilities({ x, table, targets, held }: Positions, chunk: Chunk, group: ProcessGroup) {
  const { exps, figures } = call(
    vocabularySlice,
    { x, table, targets: targets.ids },
    { ...chunk, firstToken: held.start },
  );
  const everyones = group.allGather(figures, 1).wait(); // [3, ranks x count]
  const { loss, factors } = tidy(() => {
    const of = (all: Tensor): Tensor => reshape(all, [group.size, chunk.count]);
    const [mosts, sums, known] = unstack(everyones).map(of) as [Tensor, Tensor, Tensor];
    const most: Tensor = max(mosts, 0);
    const total: Tensor = sum(mul(sums, exp(sub(mosts, most))), 0);
    const logit = sum(known, 0);
    const weights: Tensor = slice(reshape(targets.weights, [-1]), [chunk.first], [chunk.count]);
    const ownMost: Tensor = unstack(figures)[0]!;
    return {
      loss: sum<Tensor>(mul(weights, sub(add(most, log(total)), logit))),
      factors: mul<Tensor>(weights, exp(sub(sub(ownMost, most), log(total)))),
    };
  });
  figures.dispose();
  everyones.dispose();
  return { exps, loss, factors };
}

/** dx is this rank's part of the sum. */
function gradientsOf(positions: Positions, group: ProcessGroup) {
  const { x, table, targets, held } = positions;
  let sums = { dx: zerosLike(x), dTable: zerosLike(table) };
  const loss = sumOver(chunksOf(positions), (chunk) => {
    const { exps, loss: ofChunk, factors } = probabilities(positions, chunk, group);
    const { ids, weights } = targets;
    const inputs = { exps, factors, x, table, targets: ids, weights, ...sums };
    sums = call(vocabularySliceGradient, inputs, { ...chunk, firstToken: held.start });
    factors.dispose();
    return ofChunk;
  });
  return { loss, ...sums };
}

/** The logits [batch, time, vocabulary] of each rank's own [batch, time, held tokens]. Uses them up. */
function joined(own: Tensor, vocabulary: number, group: ProcessGroup): Tensor {
  const each = Math.ceil(vocabulary / group.size);
  const [batch, time, size] = own.shape as [number, number, number];
  const padding = each - size;
  const padded =
    padding === 0
      ? own.clone()
      : tidy(() =>
          pad(own, [
            [0, 0],
            [0, 0],
            [0, padding],
          ]),
        );
  own.dispose();
  const all = group.allGather(padded, 2).wait();
  padded.dispose();
  const logits = slice(all, [0, 0, 0], [batch, time, vocabulary]);
  all.dispose();
  return logits;
}

// A model of your own: an encoder that fills in masked characters, as BERT does (Devlin et al., 2019), with the
// block-sparse attention of BigBird (Zaheer et al., 2020). No package knows of it. It trains with data and tensor
// parallelism, and its checkpoint is continued under another layout.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { latestCheckpoint } from "@tessera/checkpoint";
import { runThreads, type World } from "@tessera/collectives";
import { UserError } from "@tessera/config";
import { shuffledOrder, type Feed } from "@tessera/data";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import * as nn from "@tessera/layers";
import type { LayerNormParams, LinearParams, NoParams } from "@tessera/layers";
import { fromForward } from "@tessera/layers/autodiff";
import type { TensorParallel } from "@tessera/layers/parallel";
import { fullModel, transformer } from "@tessera/model";
import type { Model, ModelFamily, TransformerParams } from "@tessera/model";
import type { Tree } from "@tessera/params";
import type { Sharded } from "@tessera/params/placement";
import { permutation, streamKey, uniformAt } from "@tessera/random";
import { planRun, trainRun } from "@tessera/trainer";
import { gatherFullState } from "@tessera/trainer/loop";

// 1. The configuration. Checkpoints record it with the family's name, and the family builds the model from it again.

const FIELDS = ["layers", "width", "heads", "length", "block", "vocabulary"] as const;
type EncoderConfig = Readonly<Record<(typeof FIELDS)[number], number>>;

const STD = 0.05; // of initial weights

const encoderFamily: ModelFamily<TransformerParams> = {
  name: "sparse-encoder",
  fromConfig(config, where) {
    const given = config as Partial<EncoderConfig>;
    const wrong = FIELDS.find((field) => !Number.isSafeInteger(given[field]));
    if (wrong !== undefined) throw new UserError(`${where}: ${wrong} must be a whole number`);
    return encoder(given as EncoderConfig);
  },
};

// 2. Attention in both directions. The first block of tokens is global: it sees all, and all see it. Each other block
// sees the global one, its neighbours, itself, and as many that are drawn as make it `SEEN`.

const SEEN = 5;

const blocksSeen = (blocks: number): number[][] =>
  Array.from({ length: blocks - 1 }, (_, i) => {
    const near = [0, i, i + 1, (i + 2) % blocks];
    const drawn = permutation(blocks, streamKey(0, `block ${i + 1}`));
    return [...new Set([...near, ...drawn])].slice(0, SEEN);
  });

/** q [..., queries, depth], k and v [..., keys, depth] -> [..., queries, depth]. */
function attend(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape.at(-1)!));
  return tf.matMul(tf.softmax(scores), v);
}

/** qkv [batch, length, 3 x held heads x depth] -> y [batch, length, held heads x depth]. */
function sparseAttention({ width, heads, length, block }: EncoderConfig) {
  const depth = width / heads;
  const blocks = length / block;
  const seen = blocksSeen(blocks);
  // `fromForward` has tfjs derive the backward of what is made of tfjs ops alone.
  return fromForward<NoParams, Sharded<"heads">>({}, (_params, qkv) => {
    const held = qkv.shape[2]! / (3 * depth); // heads of this tensor-parallel rank
    const split = tf.reshape(qkv, [-1, length, 3, held, depth]);
    const byHead = tf.transpose(split, [2, 0, 3, 1, 4]); // [3, batch, held, length, depth]
    const rows = byHead.shape[1]! * held;
    const [q, k, v] = tf.unstack(tf.reshape(byHead, [3, rows, length, depth]));
    // A product with rows of the identity is a gather whose gradient is fast.
    const chosen = tf.cast(tf.oneHot(tf.tensor1d(seen.flat(), "int32"), blocks), "float32");
    const pick = (x: Tensor): Tensor => {
      const picked = tf.matMul(chosen, tf.reshape(x, [rows, blocks, block * depth]));
      return tf.reshape(picked, [rows, blocks - 1, SEEN * block, depth]);
    };
    const others = tf.slice(tf.reshape(q!, [rows, blocks, block, depth]), [0, 1, 0, 0]);
    const global = attend(tf.slice(q!, [0, 0, 0], [-1, block, -1]), k!, v!);
    const sparse = attend(others, pick(k!), pick(v!));
    const y = tf.concat([global, tf.reshape(sparse, [rows, length - block, depth])], 1);
    const byToken = tf.transpose(tf.reshape(y, [-1, held, length, depth]), [0, 2, 1, 3]);
    return tf.reshape(byToken, [-1, length, held * depth]);
  });
}

// 3. The block: Megatron's column-parallel, then row-parallel products around each half, behind pre-norms. `wrap` adds
// up what tensor-parallel ranks compute, and marks the parameters that they share.

function block(config: EncoderConfig, tensorParallel: TensorParallel) {
  const { width } = config;
  const { weightShard: shard } = tensorParallel;
  const units = { units: config.heads };
  const options = { inFeatures: width, std: STD, shard };
  const attention = nn.sequence(
    ["qkv", nn.linear({ ...options, outFeatures: [3, width], split: nn.columns("heads", units) })],
    ["mix", sparseAttention(config)],
    ["output", nn.linear({ ...options, outFeatures: width, split: nn.rows("heads", units) })],
  );
  const mlp = nn.mlp({ width, ffnWidth: 4 * width, std: STD, outputStd: STD, shard });
  const norm = nn.layerNorm(width);
  const drop = nn.identity; // so few texts: none is needed
  const heads = tensorParallel.wrap(attention);
  const feed = tensorParallel.wrap(mlp);
  return nn.sequence(
    ["attention", nn.preNorm("heads", { norm, region: heads, drop })],
    ["mlp", nn.preNorm("feed", { norm, region: feed, drop })],
  );
}

// 4. The model: an embedding, blocks, BERT's transform before the head, and a head that shares the embedding's table.

type TransformParams = {
  readonly dense: LinearParams;
  readonly gelu: NoParams;
  readonly norm: LayerNormParams;
};

function encoder(config: EncoderConfig): Model<TransformerParams> {
  const { layers: layerCount, width, length: positions, vocabulary } = config;
  const ends = { vocabulary, width, std: STD };
  const identity = Object.fromEntries(FIELDS.map((field) => [field, String(config[field])]));
  const about = { family: encoderFamily, config, identity, layerCount, hiddenSize: width };
  const transform: nn.Layer<TransformParams, Tree> = nn.sequence(
    ["dense", nn.linear({ inFeatures: width, outFeatures: width, std: STD })],
    ["gelu", nn.gelu()],
    ["norm", nn.layerNorm(width)],
  );
  return transformer(about, {
    embedding: (parallel) => nn.embedding({ ...ends, positions }, parallel),
    drop: () => nn.identity,
    block: (parallel) => block(config, parallel),
    norm: () => transform,
    head: (parallel) => parallel.lmHead(ends),
    isTied: true,
  });
}

// 5. The data: a sixth of the bytes are masked, and the loss counts these alone. What is masked is a function of the
// sample's number, so it is the same under every layout and after a resume.

const MASK = 256; // behind the 256 bytes
const config = { layers: 2, width: 32, heads: 2, length: 42, block: 6, vocabulary: 257 };
const LINES = [
  "to be, or not to be: that is the question.",
  "if music be the food of love, play on.",
  "brevity is the soul of wit.",
  "we are such stuff as dreams are made on.",
];

function maskedFeed(): Feed {
  const { length } = config;
  const samples = LINES.map((line) => new TextEncoder().encode(line.padEnd(length)));
  const order = shuffledOrder(samples.length, 1);
  return {
    count: samples.length,
    length,
    batch(first, size) {
      const targets = new Int32Array(size * length); // [batch, time]
      for (let row = 0; row < size; row += 1) {
        targets.set(samples[order.at(first + row)]!, row * length);
      }
      const lossMask = Float32Array.from(targets, (_id, i) =>
        Number(uniformAt(streamKey(1, "masks"), first * length + i) < 1 / 6),
      );
      const inputs = targets.map((id, i) => (lossMask[i] === 1 ? MASK : id));
      const rows = { batch: size, time: length };
      return { inputs, targets, lossMask, positions: null, starts: null, ...rows };
    },
  };
}

// 6. The run. `runThreads` calls `main` of this file on each rank.

interface Job {
  readonly tensor: number;
  readonly steps: number;
  readonly folder: string;
}

const GAPS = "we are s_ch stuff as d_eams are m_de on.".padEnd(42);

export async function main(world: World, { tensor, steps, folder }: Job): Promise<string> {
  await chooseBackend(defaultBackend(), { ...process.env, OMP_NUM_THREADS: "1" });
  const run = await planRun(world, {
    model: encoder(config),
    data: { train: maskedFeed() },
    batch: { micro: 4, global: 16 },
    duration: { steps },
    parallel: { tensor },
    schedule: { kind: "constant", peak: 5e-3, floor: 0, warmup: 10, total: 1000 },
    checkpoints: { folder },
    resume: latestCheckpoint(folder),
    logInterval: 20,
  });
  const { state } = await trainRun(run);
  return fillIn(gatherFullState(run.plan, state).params, GAPS);
}

/** `gaps` with the likeliest characters for its underscores. */
function fillIn(params: TransformerParams, gaps: string): string {
  const model = fullModel(encoder(config));
  const ids = Array.from(gaps, (sign) => (sign === "_" ? MASK : sign.charCodeAt(0)));
  const x = model.activations(params, tf.tensor2d([ids], undefined, "int32"), nn.evalContext);
  const likeliest = tf.argMax(model.logits(params, x), -1).dataSync();
  return String.fromCharCode(...ids.map((id, i) => (id === MASK ? likeliest[i]! : id)));
}

if (isMainThread) {
  const folder = mkdtempSync(join(tmpdir(), "own-model-"));
  const program = new URL(import.meta.url);
  // On 2 data-parallel x 2 tensor-parallel ranks, then on from there on 2 data-parallel ranks.
  await runThreads<string>({ program, ranks: 4, data: { tensor: 2, steps: 80, folder } });
  const job = { tensor: 1, steps: 120, folder };
  const [filled] = await runThreads<string>({ program, ranks: 2, data: job });
  console.log(filled?.trim()); // prints: we are such stuff as dreams are made on.
  rmSync(folder, { recursive: true });
}

// The arguments of OLCF's examples of "AI for Science at Scale, part 2", with what their files and flags
// say twice and differently settled: the flag of the command line counts.

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** What the three larger ones share. */
const LARGE = `
  --seq-length 2048 --max-position-embeddings 2048
  --train-samples 100000 --lr-decay-samples 10000 --lr-warmup-samples 100
  --lr 6.0e-5 --min-lr 6.0e-6 --lr-decay-style cosine
  --clip-grad 1.0 --weight-decay 0.1 --adam-beta1 0.9 --adam-beta2 0.95 --init-method-std 0.006
  --split 98,2,0 --log-interval 10 --eval-iters 40 --eval-interval 100 --save-interval 1000 --fp16`;

export interface Preset {
  readonly arguments: readonly string[];
  /** That the example runs on. */
  readonly ranks: number;
}

const presets = {
  "1.4b": {
    ranks: 16,
    arguments: words(`
      --tensor-model-parallel-size 8 --pipeline-model-parallel-size 2
      --num-layers 24 --hidden-size 2064 --num-attention-heads 24
      --seq-length 2048 --max-position-embeddings 2048 --micro-batch-size 2
      --lr 0.00015 --train-iters 1000 --lr-decay-iters 50 --lr-decay-style cosine
      --lr-warmup-fraction .01 --log-interval 10 --save-interval 500 --eval-interval 100
      --eval-iters 10 --zero-stage 0 --fp16 --checkpoint-activations`),
  },
  "22b": {
    ranks: 32,
    arguments: words(`
      --tensor-model-parallel-size 4 --pipeline-model-parallel-size 8
      --num-layers 48 --hidden-size 6144 --num-attention-heads 96
      --micro-batch-size 2 --global-batch-size 20 ${LARGE}
      --zero-stage 1 --checkpoint-activations`),
  },
  "175b": {
    ranks: 192,
    arguments: words(`
      --tensor-model-parallel-size 8 --pipeline-model-parallel-size 12
      --num-layers 96 --hidden-size 12288 --num-attention-heads 96
      --micro-batch-size 1 --global-batch-size 12 --rampup-batch-size 2 2 1000 ${LARGE}`),
  },
  "1t": {
    ranks: 512,
    arguments: words(`
      --tensor-model-parallel-size 8 --pipeline-model-parallel-size 64
      --num-layers 128 --hidden-size 25600 --num-attention-heads 128
      --micro-batch-size 1 --global-batch-size 8 --rampup-batch-size 2 2 1000 ${LARGE}`),
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;

export const presetNames = Object.keys(presets) as PresetName[];

export const presetOf = (name: PresetName): Preset => presets[name];

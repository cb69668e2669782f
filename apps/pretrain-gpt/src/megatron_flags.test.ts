// What flags of Megatron's users mean here, alone and together.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { createSchedule } from "@tessera/optim/schedules";
import { program } from "./flags.js";
import { resolveLine } from "./programs/resolve.js";

const MODEL =
  "--num-layers 4 --hidden-size 16 --num-attention-heads 4 --seq-length 50 --micro-batch-size 1 --lr 1e-3 " +
  "--tokenizer-type NullTokenizer --vocab-size 64 --data-path data";
const SHORT = `${MODEL} --train-iters 100`;

describe("is the same as", () => {
  test.each([
    ["--adam_epsilon 1e-6 --max_grad_norm 2", "--adam-eps 1e-6 --clip-grad 2"],
    ["--warmup_steps 3 --learning_rate 2e-3", "--lr-warmup-iters 3 --lr 2e-3"],
    ["--normalization rmsnorm", "--normalization RMSNorm"],
    ["--num-key-value-heads 2", "--group-query-attention --num-query-groups 2"],
    ["--norm-epsilon 1e-6", "--layernorm-epsilon 1e-6"],
    ["--rotary-position-embeddings-theta 500000", "--rotary-base 500000"],
    ["--no-position-embedding", "--position-embedding-type none"],
    [
      "--no-position-embedding --use-rotary-position-embeddings",
      "--position-embedding-type rope --use-rotary-position-embeddings",
    ],
    ["--kv-channels 4", ""],
    [
      "--lr-decay-style wsd --lr-wsd-decay-iters 10",
      "--lr-decay-style WSD --lr-wsd-decay-iters 10",
    ],
  ])("%s: %s", (one, other) => {
    const runs = [one, other].map((flags) => resolveLine(`${SHORT} ${flags}`).run);
    expect(runs[0]!.gpt).toEqual(runs[1]!.gpt);
    expect(runs[0]!.schedule).toEqual(runs[1]!.schedule);
  });

  test("--enable-zbh1-pipeline: the zero-bubble schedule", () => {
    const flags = "--pipeline-model-parallel-size 2 --global-batch-size 4 --enable-zbh1-pipeline";
    expect(resolveLine(`${SHORT} ${flags}`, 2).run.parallel.schedule).toBe("zero-bubble");
  });

  test("--activations-checkpoint-method: full recomputation by that method", () => {
    const { config } = resolveLine(`${SHORT} --activations-checkpoint-method block`).run;
    expect(config.recompute).toEqual({ kind: "block", layers: 1 });
  });
});

describe("rotary positions", () => {
  const rope = "--position-embedding-type rope";
  const positions = (flags: string) => resolveLine(`${SHORT} ${rope} ${flags}`).run.gpt.positions;
  const plain = { kind: "rotary", base: 10_000, fraction: 1, pairs: "halves" };

  test("are scaled as Megatron-LM scales them", () => {
    expect(positions("")).toEqual(plain);
    expect(positions("--rotary-seq-len-interpolation-factor 4")).toEqual({
      ...plain,
      scaling: { kind: "linear", factor: 4 },
    });
    expect(positions("--use-rope-scaling --rope-scaling-factor 32")).toEqual({
      ...plain,
      scaling: {
        kind: "llama3",
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalPositions: 8192,
      },
    });
  });

  test("are scaled in one way, and only where there are some", () => {
    expect(() => positions("--use-rope-scaling --rotary-seq-len-interpolation-factor 2")).toThrow(
      /two ways/,
    );
    expect(() => resolveLine(`${SHORT} --use-rope-scaling`)).toThrow(/add --position-embedding/);
    expect(() => positions("--rope-scaling-factor 4")).toThrow(/goes with --use-rope-scaling/);
  });
});

test("--add-qkv-bias keeps three biases of those that --disable-bias-linear drops", () => {
  const { biases } = resolveLine(`${SHORT} --swiglu --disable-bias-linear --add-qkv-bias`).run.gpt;
  expect(biases).toEqual({ attention: "qkv", mlp: false, head: false });
});

test("--qk-layernorm is an RMS norm, and refused beside others", () => {
  const { gpt } = resolveLine(`${SHORT} --qk-layernorm --normalization RMSNorm`).run;
  expect([gpt.qkNorm, gpt.norm]).toEqual([true, "rms"]);
  expect(() => resolveLine(`${SHORT} --qk-layernorm`)).toThrow(/add --normalization RMSNorm/);
});

test.each([
  ["", "gelu"],
  ["--no-bias-gelu-fusion", "gelu_erf"],
  ["--disable-bias-linear", "gelu_erf"],
  ["--disable-bias-linear --openai-gelu", "gelu"],
  ["--no-bias-gelu-fusion --swiglu", "swiglu"],
])(
  "GELU is by tanh where Megatron's kernel is fused, else by the error function: %s",
  (flags, activation) => {
    expect(resolveLine(`${SHORT} ${flags}`).run.gpt.activation).toBe(activation);
  },
);

test("--kv-channels: heads of another width than hidden size / heads", () => {
  expect(resolveLine(`${SHORT} --kv-channels 6`).run.gpt.headSize).toBe(6);
});

test("no flag of ours is among those that mean nothing here", () => {
  const ours = new Set(Object.values(program.groups).flatMap((group) => Object.keys(group)));
  const { aliases, foreign } = program;
  expect([foreign, aliases].flatMap(Object.keys).filter((name) => ours.has(name))).toEqual([]);
  expect(Object.values(aliases).filter((name) => !ours.has(name))).toEqual([]);
});

describe("is taken, and named once:", () => {
  test.each([
    "--attention-backend auto",
    "--no-pipeline-parallel",
    "--context-parallel-size 1",
    "--override-lr-scheduler",
    "--num-experts 1 --moe-loss-coeff 0.01",
    "--transformer-impl transformer_engine --use-mcore-models",
    "--dataloader-type single --data-impl mmap",
    "--openai-gelu --no-bias-gelu-fusion",
  ])("%s", (flags) => {
    const { notes } = resolveLine(`${SHORT} ${flags}`);
    expect(notes.length).toBeLessThan(2);
  });

  test("figures that are not written are told apart", () => {
    const { notes } = resolveLine(`${SHORT} --log-params-norm --log-throughput --DDP-impl local`);
    expect(notes).toEqual([
      "--log-throughput, --DDP-impl: taken, but without use here",
      "--log-params-norm: taken, but such figures are not written here",
    ]);
  });
});

describe("changes numbers, and is refused:", () => {
  test.each<[string, RegExp]>([
    ["--dataloader-type cyclic", /samples come in the order of Megatron's index/],
    ["--no-load-lr-state", /--finetune begins anew/],
    ["--num-experts 8", /mixtures of experts are not here/],
    ["--context-parallel-size 2", /--sequence-parallel shards/],
    ["--fp8-format hybrid --decoupled-lr 1e-4", /2 mistakes:[^]*8 or 4 bits[^]*one rate/],
    ["--calculate-per-token-loss --eod-mask-loss", /microbatches weigh the same here/],
    ["--squared-relu", /GELU here, or SiLU/],
    ["--tokenizer-type BertWordPieceCase", /must be one of GPT2BPETokenizer, HuggingFace/],
    ["--global-batch-size 4 --step-batch-size-schedule 0:2 400:8", /ends with steps of 8 samples/],
    ["--step-batch-size-schedule 100:2", /must be TOKENS:SIZE/],
  ])("%s", (flags, said) => {
    expect(() => resolveLine(`${SHORT} ${flags}`)).toThrow(said);
  });

  test("--no-pipeline-parallel with a pipeline", () => {
    const flags = "--no-pipeline-parallel --pipeline-model-parallel-size 2";
    expect(() => resolveLine(`${SHORT} ${flags}`, 2)).toThrow(/contradicts --pipeline-model/);
  });
});

describe("lengths", () => {
  test("in tokens: training ends once they are consumed, if samples do not end it before", () => {
    const duration = (flags: string) =>
      resolveLine(`${MODEL} --global-batch-size 4 ${flags}`).run.duration;
    expect(duration("--train-tokens 1000")).toEqual({ steps: 5, samples: 20 });
    expect(duration("--train-tokens 1001")).toEqual({ steps: 6, samples: 24 });
    expect(duration("--train-tokens 1000 --train-samples 8")).toEqual({ steps: 2, samples: 8 });
    expect(duration("--train-tokens 1000 --train-iters 3")).toEqual({ steps: 3, samples: 12 });
    const usual = resolveLine(`${SHORT} --train-tokens 1000`, 4).run;
    expect(usual.duration).toEqual({ steps: 5, samples: 20 }); // four ranks take a sample each
  });

  const { rates, tokensPerStep, sequenceLength } = JSON.parse(
    readFileSync(join(__dirname, "../fixtures/rates_by_tokens.json"), "utf8"),
  ) as {
    readonly rates: Readonly<Record<string, readonly number[]>>;
    readonly tokensPerStep: number;
    readonly sequenceLength: number;
  };

  test.each(Object.entries(rates))(
    "of %s in tokens give the rates of Megatron-DeepSpeed",
    (style, expected) => {
      const flags = `--global-batch-size 4 --train-tokens 4000 --lr-decay-style ${style} --min-lr 1e-5`;
      const { schedule } = resolveLine(
        `${MODEL} ${flags} --lr-decay-tokens 3000 --lr-warmup-tokens 400`,
      ).run;
      const rateAt = createSchedule(schedule);
      expected.forEach((rate, step) => {
        expect(rateAt((step * tokensPerStep) / sequenceLength)).toBeCloseTo(rate, 15);
      });
    },
  );

  test("of a batch that grows may be in steps, which then count as full ones for the rate", () => {
    const ramp = "--global-batch-size 6 --rampup-batch-size 2 2 12 --train-iters 8";
    const { run } = resolveLine(`${MODEL} ${ramp} --lr-decay-iters 6 --lr-warmup-iters 1`);
    expect(run.duration).toEqual({ steps: 8, samples: 32 }); // 2 2 2 4 4 6 6 6
    expect(run.schedule).toMatchObject({ warmup: 6, total: 36 });
  });

  test("of a batch in stages are in tokens", () => {
    const stages = "--step-batch-size-schedule 0:2 0.4K:4 1K:8 --train-iters 8";
    const { run } = resolveLine(`${MODEL} ${stages}`);
    // 2 2 2 2 samples up to 400 tokens, 4 4 4 up to 1,000, then 8.
    expect(run.duration).toEqual({ steps: 8, samples: 28 });
    expect(run.batch.globalBatch).toBe(8);
  });

  test("that let the rate only rise are told", () => {
    const { notes } = resolveLine(`${SHORT} --lr-warmup-iters 200 --lr-decay-iters 300`);
    expect(notes[0]).toMatch(
      /rises over 200 steps and the run ends after 100: it never decays, nor reaches --lr 0.001/,
    );
    expect(resolveLine(`${SHORT} --lr-warmup-iters 50`).notes).toEqual([]);
  });
});

test("sizes of a batch that do not divide are told with what says them", () => {
  const line = "--global-batch-size 6 --rampup-batch-size 2 2 12 --train-samples 40";
  expect(() => resolveLine(`${MODEL} ${line}`, 4)).toThrow(
    "a step of 2 samples (--rampup-batch-size on the command line): must be a multiple of 1 samples " +
      "(--micro-batch-size on the command line) x 4 data ranks, 4",
  );
  expect(() => resolveLine(`${SHORT} --global-batch-size 6`, 4)).toThrow(
    "a step of 6 samples (--global-batch-size on the command line): must be a multiple of",
  );
});

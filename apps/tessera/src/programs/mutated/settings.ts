// What is told to a program: DeepSpeed's JSON, and the environments of launchers.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { applyDeepSpeedConfig, choice, number, toggle, type FlagValues } from "@tessera/config";
import { resolveSize, resolveWorld, type Environment } from "@tessera/launcher";
import { mutateJson } from "@tessera/testing";
import type { Target } from "./series.js";

const ENVIRONMENTS = join(
  __dirname,
  "../../../../../packages/launcher/fixtures/documented_environments.json",
);

const groups = {
  All: {
    micro: number("micro-batch", { min: 1, whole: true }, 1),
    accumulation: number("accumulation", { min: 1, whole: true }, 1),
    bf16: toggle("bf16", false),
    fp16: toggle("fp16", false),
    rate: number("rate", { above: 0 }, 1e-3),
    floor: number("floor", { min: 0 }, 0),
    warmup: number("warmup", { min: 0, whole: true }, 0),
    steps: number("steps", { min: 1, whole: true }, 10),
    clip: number("clip", { min: 0 }, 1),
    optimizer: choice("optimizer", ["adamw", "adam", "sgd"], "adamw"),
    schedule: choice("schedule", ["linear", "cosine", "constant"], "linear"),
    stage: choice("stage", ["0", "1", "2", "3"], "0"),
    bucket: number("bucket", { above: 0 }, 25),
  },
} as const;

type Flags = FlagValues<typeof groups>;

const defaults = Object.fromEntries(
  Object.entries(groups.All).map(([name, { fallback }]) => [name, fallback]),
) as unknown as Flags;

const CONFIG = {
  train_micro_batch_size_per_gpu: 2,
  gradient_accumulation_steps: "auto",
  train_batch_size: 4,
  gradient_clipping: 1.0,
  bf16: { enabled: true },
  fp16: { enabled: false, loss_scale: 0, initial_scale_power: 16 },
  zero_optimization: { stage: 1, reduce_bucket_size: 5e8 },
  optimizer: {
    type: "AdamW",
    params: { lr: 1e-4, betas: [0.9, 0.95], eps: 1e-8, weight_decay: 0.1 },
  },
  scheduler: { type: "WarmupDecayLR", params: { warmup_num_steps: 10, total_num_steps: 100 } },
};

export function deepSpeedConfig(folder: string): Target {
  const path = join(folder, "ds_config.json");
  return {
    name: "DeepSpeed's JSON",
    share: 24,
    read(draw) {
      writeFileSync(path, mutateJson(CONFIG, draw, ["auto", "Adam", "WarmupLR", "params"]));
      applyDeepSpeedConfig<Flags>({
        path,
        option: "--deepspeed",
        groups,
        flags: defaults,
        given: new Set(["rate"]),
        strict: draw() < 0.5,
        settings: {
          microBatch: "micro",
          accumulation: "accumulation",
          bf16: "bf16",
          fp16: "fp16",
          clipNorm: "clip",
          zeroStage: "stage",
          bucketMegabytes: "bucket",
          optimizer: "optimizer",
          learningRate: "rate",
          schedule: "schedule",
          peakLearningRate: "rate",
          minLearningRate: "floor",
          warmup: "warmup",
          steps: "steps",
        } as never,
      });
    },
  };
}

const ODD = [
  "",
  "0",
  "-1",
  "1e9",
  "x",
  "4294967296",
  "0x2",
  "1(x2),3",
  "node[1-4,9]",
  "n[",
  ",",
  "\u0000",
];

/** Environments of documented launchers, with variables of one in another. */
export function environments(): Target {
  const { places } = JSON.parse(readFileSync(ENVIRONMENTS, "utf8")) as {
    readonly places: readonly { readonly environment: Environment }[];
  };
  const all = places.map(({ environment }) => environment);
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))];
  return {
    name: "environments",
    share: 50,
    read(draw) {
      const below = (limit: number): number => Math.floor(limit * draw());
      const environment: Record<string, string | undefined> = { ...all[below(all.length)]! };
      for (let times = 1 + below(3); times > 0; times -= 1) {
        const name = names[below(names.length)]!;
        const other = all[below(all.length)]![name];
        if (below(3) === 0) Reflect.deleteProperty(environment, name);
        else
          environment[name] =
            below(2) === 0 && other !== undefined ? other : ODD[below(ODD.length)]!;
      }
      const { rank, size } = resolveWorld(environment);
      if (!(rank >= 0 && rank < size)) throw new Error(`rank ${rank} of ${size}`);
      resolveSize(environment);
    },
  };
}

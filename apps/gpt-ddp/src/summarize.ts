// What a run says of itself after its last step.

import { memory } from "@tensorflow/tfjs-core";
import type { TrainingPlan, TrainingResult } from "@tessera/trainer";
import { duration, formatBytes } from "@tessera/trainer/report";

/** A few lines on what came out, how fast, in how much memory. */
export function summarize(plan: TrainingPlan, result: TrainingResult, seconds: number): void {
  const { state, steps, samples, tokensPerSecond } = result;
  if (steps === 0) {
    process.stdout.write(
      `done   already at step ${state.step} of ${plan.intervals.steps}; a larger --max_steps goes on\n`,
    );
    return;
  }
  const tokens = samples * plan.train.length;
  const lines = [
    `done   in ${duration(seconds)}: ${steps} steps, ${(tokens / 1e6).toFixed(2)}M tokens, ` +
      `${Math.round(tokensPerSecond)} tokens/s; ${lossesOf(result)}`,
    ...[memoryLine(), communicationLine(plan)].filter((line) => line !== null),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function lossesOf({ trainLoss, validationLoss }: TrainingResult): string {
  const named = { training: trainLoss, validation: validationLoss };
  return Object.entries(named)
    .filter(([, loss]) => !Number.isNaN(loss))
    .map(([name, loss]) => `${name} loss ${loss.toFixed(4)}`)
    .join(", ")
    .concat(" nats per token");
}

/** The most that tensors of this rank took at once, where the backend counts that. */
function memoryLine(): string | null {
  const { peak } = memory() as { readonly peak?: number };
  return peak === undefined
    ? null
    : `memory at most ${formatBytes(peak)} in tensors of the first rank`;
}

function communicationLine({ dataParallel: { group } }: TrainingPlan): string | null {
  const { busySeconds, waitedSeconds } = group.traffic;
  if (group.size === 1 || busySeconds === 0) return null;
  const hidden = 100 * Math.max(0, 1 - waitedSeconds / busySeconds);
  return (
    `ranks  ${hidden.toFixed(0)}% of communication passed behind computation; ` +
    `the first rank waited ${waitedSeconds.toFixed(1)} s for the rest`
  );
}

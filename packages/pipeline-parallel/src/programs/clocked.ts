// A stage whose actions take no time but by its clock, which messages carry on: what the executor makes of a
// schedule, on a machine with a processor for every stage.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import {
  execute,
  createSchedules,
  type ActionKind,
  type PipelineChunk,
  type ScheduleKind,
} from "../index.js";

export interface ClockedJob {
  readonly kind: ScheduleKind;
  readonly micros: number;
  readonly chunks: number;
  readonly durations: Readonly<Record<ActionKind, number>>;
}

export interface Clocked {
  /** When the stage was through, and how long of that it was at work. */
  readonly end: number;
  readonly busy: number;
  /** The most forwards whose backward was not over. */
  readonly peak: number;
}

function run(
  { all: group }: World,
  { kind, micros: microbatches, chunks, durations }: ClockedJob,
): Clocked {
  const { rank, size: stages } = group;
  let [clock, busy, alive, peak] = [0, 0, 0, 0];
  /** Does an action, once `got` is there; returns what others wait for, where there are others. */
  const act = (action: ActionKind, got: Tensor | null, isSent: boolean): Tensor | null => {
    clock = Math.max(clock, got?.dataSync()[0] ?? 0) + durations[action];
    busy += durations[action];
    if (action === "forward") alive += 1;
    peak = Math.max(peak, alive);
    if (action === "backward" || action === "weight") alive -= 1;
    return isSent ? tensor([clock]) : null;
  };
  const parts = Array.from({ length: chunks }, (_, chunk): PipelineChunk<null> => {
    const part = chunk * stages + rank;
    const [isFirst, isLast] = [part === 0, part === stages * chunks - 1];
    return {
      forward: (_micro, x) => ({ y: act("forward", x, !isLast), saved: null }),
      backward: (_micro, _saved, dy) => act("backward", dy, !isFirst),
      input: (_micro, _saved, dy) => ({
        dx: act("input", dy, !isFirst),
        weight: () => void act("weight", null, false),
      }),
    };
  });
  const schedule = createSchedules(kind, { stages, microbatches, chunks })[rank]!;
  execute({ chunks: parts, group, message: { shape: () => [1] } }, schedule);
  return { end: clock, busy, peak };
}

export async function main(world: World, jobs: readonly ClockedJob[]): Promise<Clocked[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  return jobs.map((job) => run(world, job));
}

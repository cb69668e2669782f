// One stage with a simulated clock, which messages carry to other stages: the executor's timeline on a machine with a
// processor for every stage.

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
  readonly microbatches: number;
  readonly chunks: number;
  readonly durations: Readonly<Record<ActionKind, number>>;
}

export interface ClockedResult {
  /** When the stage finished, and for how long it was busy. */
  readonly end: number;
  readonly busy: number;
  /** Microbatches in flight at most. */
  readonly peak: number;
}

function run(
  { all: group }: World,
  { kind, microbatches, chunks, durations }: ClockedJob,
): ClockedResult {
  const { rank, size: stages } = group;
  let [clock, busy, inFlight, peak] = [0, 0, 0, 0];
  /** Runs an action once its input has arrived. Returns the time at which it ends, if that is sent on. */
  const act = (action: ActionKind, input: Tensor | null, isSent: boolean): Tensor | null => {
    clock = Math.max(clock, input?.dataSync()[0] ?? 0) + durations[action];
    busy += durations[action];
    if (action === "forward") inFlight += 1;
    peak = Math.max(peak, inFlight);
    if (action === "backward" || action === "weight") inFlight -= 1;
    return isSent ? tensor([clock]) : null;
  };
  const modelChunks = Array.from({ length: chunks }, (_, chunk): PipelineChunk<null> => {
    const virtualStage = chunk * stages + rank;
    const [isFirst, isLast] = [virtualStage === 0, virtualStage === stages * chunks - 1];
    return {
      forward: (_microbatch, x) => ({ y: act("forward", x, !isLast), saved: null }),
      backward: (_microbatch, _saved, dy) => act("backward", dy, !isFirst),
      input: (_microbatch, _saved, dy) => ({
        dx: act("input", dy, !isFirst),
        weight: () => void act("weight", null, false),
      }),
    };
  });
  const schedule = createSchedules(kind, { stages, microbatches, chunks })[rank]!;
  execute({ chunks: modelChunks, group, message: { shape: () => [1] } }, schedule);
  return { end: clock, busy, peak };
}

export async function main(world: World, jobs: readonly ClockedJob[]): Promise<ClockedResult[]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  return jobs.map((job) => run(world, job));
}

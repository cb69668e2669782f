// Progress of long computations: for people, and as a heartbeat.

/** Called now and then with the stage and how much of `total` is done. */
export type Progress = (stage: string, done: number, total: number) => void;

/** The progress of one stage. */
export type StageProgress = (done: number, total: number) => void;

export const reportStage =
  (progress: Progress | undefined, stage: string): StageProgress =>
  (done, total) =>
    progress?.(stage, done, total);

const LINE_EVERY_MS = 2000;

/** Writes a line every two seconds, and none for what takes less. */
export function logProgress(write: (line: string) => void): Progress {
  let shown = performance.now();
  let last = shown;
  let current = { stage: "", began: shown };
  return (stage, done, total) => {
    const now = performance.now();
    // A stage begins with the last report of the one before.
    if (stage !== current.stage) current = { stage, began: last };
    last = now;
    if (now - shown < LINE_EVERY_MS) return;
    shown = now;
    const left = (((now - current.began) / 1000) * (total - done)) / done;
    write(`${stage}: ${Math.floor((100 * done) / total)}%, ${Math.ceil(left)} s left\n`);
  };
}

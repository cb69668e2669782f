// Progress of a command, for people: a bar on a terminal, a line every few seconds elsewhere.

import { SingleBar, Presets } from "cli-progress";

export interface Progress {
  /** `done`: in total. `note` is shown after the figures. */
  update(done: number, note?: string): void;
  end(): void;
}

export interface ProgressOptions {
  readonly stream: NodeJS.WriteStream;
  readonly total: number;
  /** Amounts are divided by `scale` and shown with `unit`: 1e6 and "MB". */
  readonly scale: number;
  readonly unit: string;
}

const LINE_INTERVAL_MS = 2000;

/** Shows nothing of what takes less than two seconds, except on a terminal. */
export function startProgress({ stream, total, scale, unit }: ProgressOptions): Progress {
  const began = performance.now();
  const speedOf = (done: number): number =>
    done / scale / Math.max(1e-3, (performance.now() - began) / 1000);
  if (stream.isTTY) {
    const format = `{bar} {percentage}%  {speed} ${unit}/s  {eta_formatted} left  {note}`;
    const settings = { stream, format, clearOnComplete: true, hideCursor: true };
    const bar = new SingleBar(settings, Presets.shades_classic);
    bar.start(Math.max(1, total), 0, { speed: "0.0", note: "" });
    return {
      update: (done, note = "") => bar.update(done, { speed: speedOf(done).toFixed(1), note }),
      end: () => bar.stop(),
    };
  }
  let shown = began;
  return {
    update(done, note = "") {
      if (performance.now() - shown < LINE_INTERVAL_MS) return;
      shown = performance.now();
      const left = Math.max(0, total - done) / scale / speedOf(done);
      stream.write(
        `${(done / scale).toFixed(0)} of ${(total / scale).toFixed(0)} ${unit}, ` +
          `${speedOf(done).toFixed(1)} ${unit}/s, ${left.toFixed(0)} s left ${note}\n`,
      );
    },
    end: () => undefined,
  };
}

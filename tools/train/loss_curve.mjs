// The losses of a run, drawn in characters.

/** @typedef {{ readonly step: number, readonly loss: number }} Logged */

const HEIGHT = 8;
const WIDTH = 60;

/**
 * The losses that a metrics.jsonl holds, by step. A line that a killed run left unfinished is none.
 * @param {string} text
 * @returns {Logged[]}
 */
export function readLosses(text) {
  return text.split("\n").flatMap((line) => {
    try {
      const { step, loss } = JSON.parse(line);
      return Number.isFinite(step) && Number.isFinite(loss) ? [{ step, loss }] : [];
    } catch {
      return [];
    }
  });
}

/**
 * A curve from the first step to the last, with the highest and the lowest loss beside it; none for less than two.
 * @param {readonly Logged[]} losses
 */
export function drawLosses(losses) {
  const [first] = losses;
  const last = losses.at(-1);
  if (first === undefined || last === undefined || first.step >= last.step) return "";
  const values = losses.map(({ loss }) => loss);
  const [top, bottom] = [Math.max(...values), Math.min(...values)];
  const columns = Array.from({ length: WIDTH }, (_, column) =>
    lossAt(losses, first.step + ((last.step - first.step) * column) / (WIDTH - 1)),
  );
  const rows = columns.map((loss) =>
    Math.round(((top - loss) / (top - bottom || 1)) * (HEIGHT - 1)),
  );
  const lines = Array.from({ length: HEIGHT }, (_, row) => {
    const label = row === 0 ? top.toFixed(2) : row === HEIGHT - 1 ? bottom.toFixed(2) : "";
    const marks = rows.map((at, column) => (passes(row, rows[column - 1] ?? at, at) ? "•" : " "));
    return `${label.padStart(6)} │${marks.join("")}`.trimEnd();
  });
  const ends = `step ${first.step}${String(last.step).padStart(WIDTH - 5 - String(first.step).length)}`;
  return [...lines, `${" ".repeat(7)}└${"─".repeat(WIDTH)}`, `${" ".repeat(8)}${ends}`].join("\n");
}

/**
 * Whether a curve that was in a row one column before and is in another now is in `row`, so that it has no gaps.
 * @param {number} row
 * @param {number} before
 * @param {number} now
 */
const passes = (row, before, now) =>
  row === now || (before < row && row < now) || (now < row && row < before);

/**
 * Between two logged steps, on the line from one to the other.
 * @param {readonly Logged[]} losses
 * @param {number} step
 */
function lossAt(losses, step) {
  const after = losses.findIndex((each) => each.step >= step);
  const right = losses[after] ?? losses[losses.length - 1];
  const left = losses[after - 1] ?? right;
  if (left.step === right.step) return right.loss;
  const share = (step - left.step) / (right.step - left.step);
  return left.loss + (right.loss - left.loss) * share;
}

/**
 * The same in one line, for a file.
 * @param {readonly Logged[]} losses
 */
export function listLosses(losses) {
  const every = Math.max(1, Math.ceil((losses.length - 1) / 5));
  const shown = losses.filter((_, i) => i % every === 0 || i === losses.length - 1);
  return `loss   ${shown.map(({ step, loss }) => `${loss.toFixed(3)} at step ${step}`).join(", ")}`;
}

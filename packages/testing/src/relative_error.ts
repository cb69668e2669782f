/** How far numbers are from those that are expected, relative to the largest of these; NaN where there are more or fewer. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return NaN;
  let [apart, largest] = [0, 0];
  for (let i = 0; i < expected.length; i += 1) {
    // Unlike a comparison, `Math.max` keeps NaN.
    apart = Math.max(apart, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return apart === 0 ? 0 : apart / largest;
}

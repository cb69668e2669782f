// Sizes that are known before there are tensors.

/**
 * Refuses a size that is no whole number above 0.
 * @throws RangeError that names it.
 */
export function checkSize(name: string, size: number): void {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new RangeError(`${name} is ${size}, but must be a whole number of at least 1`);
  }
}

/**
 * Refuses parts that are not all of the same size.
 * @throws RangeError that names both: "3 heads do not divide a width of 8".
 */
export function checkDivides(parts: number, names: string, extent: number, of: string): void {
  checkSize(`the number of ${names}`, parts);
  checkSize(of, extent);
  if (extent % parts !== 0) {
    throw new RangeError(`${parts} ${names} do not divide ${of} of ${extent}`);
  }
}

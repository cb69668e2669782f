// The median, which one slow step does not change.

/**
 * The median of one or more values.
 * @param {readonly number[]} values
 */
export const medianOf = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

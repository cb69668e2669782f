// The figure that one slow step does not change.

export const medianOf = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

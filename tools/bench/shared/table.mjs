// Rows of text as a table for people; the first has the headings.

/** @param {readonly (readonly string[])[]} rows */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  /** @param {readonly string[]} row */
  const line = (row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

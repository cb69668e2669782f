// Tables of Markdown pages: the stored figures that plots are drawn from.

/** A table by its rows, each by the names of its columns. */
export type Table = readonly Readonly<Record<string, string>>[];

const cells = (line: string): string[] =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

/**
 * The table of `page` whose first column is called `column`.
 * @throws Error where there is none.
 */
export function readTable(page: string, column: string): Table {
  const lines = page.split("\n").map((line) => line.trim());
  const start = lines.findIndex((line) => line.startsWith("|") && cells(line)[0] === column);
  if (start < 0) throw new Error(`no table begins with a column ${column}`);
  const names = cells(lines[start]!);
  const rest = lines.slice(start + 2);
  const end = rest.findIndex((line) => !line.startsWith("|"));
  return rest
    .slice(0, end < 0 ? rest.length : end)
    .map((line) => Object.fromEntries(cells(line).map((cell, index) => [names[index]!, cell])));
}

/** The number that a cell begins with. */
export function figureOf(row: Readonly<Record<string, string>>, column: string): number {
  const value = Number.parseFloat(row[column] ?? "");
  if (Number.isNaN(value)) throw new Error(`${column} of ${JSON.stringify(row)} is no number`);
  return value;
}
